"""Hold features, label and predictions to what the champion was trained on.

Each table is read once: all its columns are counted in one Spark job, in buckets that were fitted
once on the reference and are kept. What comes out is a page for people, the same numbers as JSON,
and one line of history.
"""

import sys
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any

from pyspark.sql import SparkSession

from pipelines.cli import param
from pipelines.errors import DataQualityError, ParameterError, TableError
from pipelines.layout import Layout
from pipelines.loading.row_filter import parse_filter
from pipelines.quality.drift import ColumnDrift, by_weight, compare, worst
from pipelines.quality.profiles import Profile
from pipelines.quality.references import count_like, fit_profiles, kept_profiles
from pipelines.registry import store
from pipelines.reporting.drift_columns import describe_columns
from pipelines.reporting.drift_page import render_drift
from pipelines.reporting.quality_site import QualitySite, refresh_index
from pipelines.state import fingerprint, read_json, write_bytes, write_json
from pipelines.step import StepKey, StepResult, has_files, once, read_result, step_key
from pipelines.storage.place import place
from pipelines.tables.chosen_rows import ALL, ChosenRows
from pipelines.tables.drift_history import earlier_looks, keep_look, look_of
from pipelines.tables.ledger_table import require_passed
from pipelines.tables.scores import same_models_predictions
from pipelines.tables.version import TableVersion, parse_version
from schemas.catalog import dataset
from schemas.contract import SPLITS, DatasetSpec
from schemas.drift import Drift, limit_rows
from schemas.feature_columns import feature_columns
from schemas.target import prediction_columns

_TRAIN = "train"
_MAX_SHOWN = 5


@dataclass(frozen=True, slots=True)
class ReportQualityParams:
    """Hold a features table, its label and predictions to what the champion was trained on."""

    dataset: str = param("Data set, a contract in schemas/")
    root: str = param("Folder that holds all tables and files")
    inputs: str = param("Features table to look at, pinned to a version, like path@v3")
    reference: str = param(
        "What it is held to: champion or a registered version's number, for the training rows of "
        "the table that it learned from; or a features table pinned to a version",
        store.CHAMPION,
    )
    predictions: str = param("Predictions to look at too, pinned to a version", "")
    reference_predictions: str = param(
        "What they are held to; empty: what the same model predicted for the reference", ""
    )
    split: str = param("Rows to look at: train, validation, test or all", ALL)
    where: tuple[str, ...] = param("Rows to look at, like 'time_hour >= 2013-11-01'", ())
    reference_where: tuple[str, ...] = param("Rows of the reference to hold them to", ())
    registry: str = param("postgresql://USER@HOST/NAME on this machine; empty for SQLite", "")


@dataclass(frozen=True, slots=True)
class _Pair:
    """Rows now and rows of the reference, with the columns that are compared."""

    now: ChosenRows
    reference: ChosenRows
    numeric: tuple[str, ...]
    categorical: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class _Look:
    """What is compared, which model learned from the reference, and what is left out."""

    pairs: tuple[_Pair, ...]
    model: str
    notes: tuple[str, ...]


def run(spark: SparkSession, params: ReportQualityParams) -> StepResult:
    """Compare, and write the page, its JSON and the line of history; the same inputs once.

    Whether a limit was exceeded stands in ``details``; ``close_gate`` makes an error of it.

    Raises:
        ParameterError: No such reference, or a flag of the wrong form.
        TableError: A table or version is missing, lacks a column, or no row is left.
        DataQualityError: A features table has not passed its checks.
    """
    if params.split not in (*SPLITS, ALL):
        raise ParameterError(f"--split: expected one of {[*SPLITS, ALL]}; got {params.split!r}")
    spec, layout = dataset(params.dataset), Layout(params.root, params.dataset)
    look = _plan(params, spec, layout)
    require_passed(str(rows.table) for rows in (look.pairs[0].now, look.pairs[0].reference))
    pinned = [(pair.now.pinned, pair.reference.pinned) for pair in look.pairs]
    drift = asdict(spec.drift)
    key = step_key("report_quality", layout, spec.fingerprint(), drift, pinned, look.notes)
    made = once(key, lambda: _compare(spark, key, spec, look), has_files)
    keep_look(layout, made.details)
    return made


def say_warnings(result: StepResult) -> None:
    """Say on stderr which limits of severity warning were exceeded."""
    for name, why in result.details["warnings"].items():
        sys.stderr.write(f"warning: {result.dataset}: drift of {name}: {why}\n")


def close_gate(result: StepResult) -> None:
    """Raise if a limit of severity error was exceeded.

    Raises:
        DataQualityError: Names the worst columns, and the page.
    """
    if errors := result.details["errors"]:
        shown = [f"{name} ({why})" for name, why in list(errors.items())[:_MAX_SHOWN]]
        more = [f"{len(errors) - _MAX_SHOWN} more"] if len(errors) > _MAX_SHOWN else []
        raise DataQualityError(
            f"{result.dataset}: {len(errors)} columns of {result.details['features']} have "
            f"drifted beyond a limit of error: {', '.join([*shown, *more])}. Look at "
            f"{result.files['report']}; mend the source, train anew, or change drift in "
            f"schemas/{result.dataset}.py"
        )


def _plan(params: ReportQualityParams, spec: DatasetSpec, layout: Layout) -> _Look:
    reference, model = _find_reference(params, layout)
    where, held_to = _conditions(params.where), _conditions(params.reference_where)
    # lists of tokens and images have no distribution of their own
    kinds = ("numeric", "categorical")
    features = [item for item in feature_columns(spec.encodes) if item.kind in kinds]
    numeric = [item.name for item in features if item.kind == "numeric"]
    categorical = [item.name for item in features if item.kind == "categorical"]
    (numeric if spec.label.is_number else categorical).append(spec.label.name)
    main = _Pair(
        ChosenRows(parse_version(params.inputs), params.split, where),
        ChosenRows(reference, _TRAIN, held_to),
        tuple(numeric),
        tuple(categorical),
    )
    if not params.predictions:
        return _Look((main,), model, ("No predictions were given: --predictions.",))
    now = parse_version(params.predictions)
    before = params.reference_predictions or same_models_predictions(
        layout, str(now), str(reference)
    )
    if not before:
        note = (
            f"Predictions {now.name}@v{now.version} are held to nothing: their model has none for "
            f"the reference {reference.name}@v{reference.version}. Score it, or give "
            "--reference-predictions."
        )
        return _Look((main,), model, (note,))
    said = prediction_columns(spec.label.kind)
    predicted = _Pair(
        ChosenRows(now, params.split, where),
        ChosenRows(parse_version(before), ALL),
        tuple(name for name, kind in said.items() if kind == "double"),
        tuple(name for name, kind in said.items() if kind != "double"),
    )
    return _Look((main, predicted), model, ())


def _find_reference(params: ReportQualityParams, layout: Layout) -> tuple[TableVersion, str]:
    """Give the table that the features are held to, and the model that learned from it, if any."""
    wanted = params.reference
    if wanted != store.CHAMPION and not wanted.isdecimal():
        return parse_version(wanted), ""
    registry = store.open_registry(params.registry, layout.registry)
    try:
        version = store.resolve(registry, params.dataset, wanted)
    except ParameterError as error:
        said = str(error).replace("--model", "--reference", 1)
        raise ParameterError(f"{said}; or give a features table pinned to a version") from None
    return parse_version(version.tags["features"]), f"version {version.number} of {version.name}"


def _compare(spark: SparkSession, key: StepKey, spec: DatasetSpec, look: _Look) -> StepResult:
    found: list[ColumnDrift] = []
    sizes: list[tuple[int, int]] = []
    for pair in look.pairs:
        columns, size = _compare_pair(spark, pair, key.layout, spec.drift)
        found += columns
        sizes.append(size)
    main, others = look.pairs[0], look.pairs[1:]
    ranked = [asdict(item) for item in by_weight(found)]
    state = _state(key.layout, str(main.reference.table))
    result: dict[str, Any] = {
        "dataset": spec.name,
        "fingerprint": key.fingerprint,
        "checked_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "features": str(main.now.table),
        "reference": str(main.reference.table),
        "model": look.model,
        "predictions": str(others[0].now.table) if others else "",
        "reference_predictions": str(others[0].reference.table) if others else "",
        "rows_of_now": str(main.now),
        "rows_of_reference": str(main.reference),
        "rows_now": sizes[0][0],
        "rows_reference": sizes[0][1],
        "verdict": worst([item.verdict for item in found]),
        "owner": spec.drift.owner,
        "significance": spec.drift.significance,
        "limits": limit_rows(spec.drift),
        "notes": list(look.notes),
        "columns": describe_columns(ranked, spec, state),
    }
    return _write(key, spec, result)


def _compare_pair(
    spark: SparkSession, pair: _Pair, layout: Layout, settings: Drift
) -> tuple[list[ColumnDrift], tuple[int, int]]:
    columns = (*pair.numeric, *pair.categorical)
    name = fingerprint(pair.reference.pinned, columns, settings.num_buckets)
    path = layout.drift / "references" / f"{name}.json"
    about = {"table": str(pair.reference.table), "rows": str(pair.reference)}

    def fit() -> tuple[Profile, ...]:
        rows = pair.reference.read(spark, columns)
        return fit_profiles(rows, pair.numeric, pair.categorical, settings.num_buckets)

    before = kept_profiles(path, about, fit)
    after = count_like(pair.now.read(spark, columns), before)
    size = (after[0].num_rows, before[0].num_rows)
    for num_rows, rows in zip(size, (pair.now, pair.reference), strict=True):
        if not num_rows:
            raise TableError(f"{rows.table}: expected rows to compare; {rows} gives none")
    found = [compare(old, new, settings) for old, new in zip(before, after, strict=True)]
    return found, size


def _state(layout: Layout, features: str) -> dict[str, Any]:
    """The fitted state with which a features table was made; empty if its record is gone."""
    for path in layout.steps.glob("engineer_features-*.json"):
        record = read_result(read_json(path))
        state = place(record.files.get("state", ""))
        if features in record.tables and state.is_file():
            return read_json(state)
    return {}


def _write(key: StepKey, spec: DatasetSpec, result: dict[str, Any]) -> StepResult:
    folder = key.layout.drift_pages / key.fingerprint
    earlier = earlier_looks(key.layout, key.fingerprint, folder)
    page = render_drift(result, spec.title, earlier)
    write_json(folder / "drift.json", result)
    write_bytes(folder / "index.html", page.encode())
    if (key.layout.quality_pages / "index.html").exists():
        refresh_index(QualitySite.of(key.layout, spec.title))
    details = look_of(result, folder / "index.html")
    files = {"report": str(folder / "index.html"), "numbers": str(folder / "drift.json")}
    return StepResult(key.step, spec.name, key.fingerprint, files=files, details=details)


def _conditions(texts: tuple[str, ...]) -> tuple[tuple[str, str, str], ...]:
    found = [parse_filter(text) for text in texts]
    return tuple((item.column, item.sign, item.value) for item in found)
