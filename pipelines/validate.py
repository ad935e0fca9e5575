"""Check tables against their contracts; close the gate on an error.

The verdict comes after a table is committed: versions are immutable, and the next job runs only
if this one ends well.
"""

import sys
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast, get_args

from pyspark.sql import SparkSession

from pipelines.cli import param
from pipelines.errors import DataQualityError, ParameterError
from pipelines.layout import Layout
from pipelines.quality.measures import QUARANTINED
from pipelines.quality.report import QualityReport, read_report
from pipelines.registry import store
from pipelines.reporting.quality_site import QualitySite, add_validation, check_run_name
from pipelines.spark.concurrent import map_tables
from pipelines.state import write_json
from pipelines.step import StepKey, StepResult, once, step_key
from pipelines.tables.by_interval import record_of, since_checked
from pipelines.tables.delta import commit_info, count_rows, read_table
from pipelines.tables.ledger_table import account_for, written_by
from pipelines.tables.measures_table import keep_numbers, last_versions, numbers_of
from pipelines.tables.version import TableVersion, parse_version
from schemas.catalog import dataset
from schemas.contract import Check, Layer, TableSpec
from schemas.derive import table_spec

_MAX_SHOWN = 20
_MILLIS = 1000
_SHOWN_VERSIONS = 30


@dataclass(frozen=True, slots=True)
class ValidateParams:
    """Check tables of one layer against the contract; exit 1 if a check of severity error fails."""

    dataset: str = param("name of the data set, a module of schemas")
    root: str = param("folder that holds all data sets, e.g. lake")
    inputs: tuple[str, ...] = param(
        "tables pinned to versions, e.g. lake/flights/raw/weather@v0; the last two parts of the "
        "path name layer and source"
    )
    run: str = param(
        "name of the run whose page shows this validation beside others, e.g. Airflow's run_id; "
        "empty: it has a page of its own",
        "",
    )
    registry: str = param(
        "postgresql://USER@HOST/NAME on this machine; empty for SQLite. Asked only by checks of a "
        "distribution against what the champion was trained on",
        "",
    )


def run(spark: SparkSession, params: ValidateParams) -> StepResult:
    """Check each input and keep the reports; the same inputs are checked once.

    Raises:
        DataQualityError: A check of severity error failed, or a check could not be carried out.
            All inputs have been checked by then, and their reports are stored. A repeated run
            raises again.
        ParameterError: There are no inputs, not all are of one layer, or the run has no good name.
        TableError: There is no such table or version.
    """
    check_run_name(params.run)
    layout = Layout(params.root, params.dataset)
    spec = dataset(params.dataset)
    site = QualitySite.of(layout, spec.title)
    tables = [parse_version(text) for text in params.inputs]
    layer = _layer(tables)
    specs = [table_spec(spec, layer, table.name) for table in tables]
    commits = [commit_info(table) for table in tables]
    contracts = [asdict(item) for item in specs]
    trained = _trained_on(params.registry, specs, layout)
    decides = [contracts, list(params.inputs), commits, *([str(trained)] if trained else [])]
    key = step_key(f"validate-{layer}", layout, *decides)

    def make() -> StepResult:
        found = _check(spark, tables, specs, (layout, trained))
        with _gate_closed(layout, found):
            reports = _store(found, layout, key, site)
        return StepResult(
            step=key.step,
            dataset=params.dataset,
            fingerprint=key.fingerprint,
            tables=params.inputs,
            files={"data_docs": str(layout.quality / "data_docs" / "index.html")},
            details={"reports": [asdict(report) for report in reports]},
        )

    result = once(key, make, lambda known: _has_pages(known, layout, site))
    name = _validation(result)
    with _gate_closed(layout):
        page = add_validation(site, params.run or name, name)
    result = replace(result, files={**result.files, "quality": str(page)})
    # the mark that lets the next step read: last, when all that it rests on is stored
    account_for(result, layout)
    _close_gate(result, layout)
    return result


def _layer(tables: list[TableVersion]) -> Layer:
    found = {Path(table.path).parent.name for table in tables}
    if len(found) != 1 or not found <= set(get_args(Layer)):
        raise ParameterError(
            f"--inputs: expected one or more tables of one layer of {list(get_args(Layer))}, each "
            f"as <root>/<dataset>/<layer>/<source>@v<n>; got layers {sorted(found)}"
        )
    return cast("Layer", found.pop())


@dataclass(frozen=True, slots=True)
class _Found:
    """A table, what its checks found, and the step that wrote it, if it was one of ours."""

    table: TableVersion
    checked: Any
    step: StepResult | None


def _trained_on(registry: str, specs: list[TableSpec], layout: Layout) -> TableVersion | None:
    """The features that the champion learned from, if a check asks for them and there is one."""
    asks = any(check.reference == "champion" for spec in specs for check in spec.checks)
    if not asks or not (registry or layout.registry.exists()):
        return None
    opened = store.open_registry(registry, layout.registry)
    champion = store.find_champion(opened, layout.dataset)
    return parse_version(champion.tags["features"]) if champion else None


def _check(
    spark: SparkSession,
    tables: list[TableVersion],
    specs: list[TableSpec],
    where: tuple[Layout, TableVersion | None],
) -> list[_Found]:
    # here, since its import takes seconds that --help and a reused result need not wait for
    from pipelines.quality.runner import Asked, check_table  # noqa: PLC0415

    layout, trained = where
    frames = {table.name: read_table(spark, table) for table in tables}

    def check(pair: tuple[TableVersion, TableSpec]) -> _Found:
        table, spec = pair
        num_passed = max(map(_num_versions, spec.checks))
        past = last_versions(layout, table, num_passed, _SHOWN_VERSIONS)
        step = record_of(layout, table, written_by(table))
        states, changed = _merged(layout, table, spec)
        asked = Asked(
            str(table),
            _ridden(table, step),
            frames,
            [version.numbers for version in past if version.passed],
            [version.numbers for version in past][-_SHOWN_VERSIONS:],
            numbers_of(layout, trained) if trained else {},
            datetime.fromtimestamp(commit_info(table)["timestamp"] / _MILLIS, UTC),
            states,
            changed,
        )
        checked = check_table(frames[table.name], spec, asked)
        if changed is not None and checked.numbers.get("rows") != count_rows(table):
            # numbers that were merged do not add up to the log's: read all
            asked = replace(asked, states={}, changed=None)
            checked = check_table(frames[table.name], spec, asked)
        return _Found(table, checked, step)

    found = map_tables(spark, check, list(zip(tables, specs, strict=True)))
    for item in found:
        passed = item.checked.report.success
        keep_numbers(layout, item.table, item.checked.numbers, passed=passed)
    return found


def _store(
    found: list[_Found], layout: Layout, key: StepKey, site: QualitySite
) -> tuple[QualityReport, ...]:
    from pipelines.quality.page_record import table_record  # noqa: PLC0415  the same
    from pipelines.quality.store import store_results  # noqa: PLC0415  the same

    reports = store_results([item.checked for item in found], layout.quality)
    fates = [item.step.rows.get(item.table.name) if item.step else None for item in found]
    record: dict[str, Any] = {
        "validation": f"{key.step}-{key.fingerprint}",
        "dataset": layout.dataset,
        "checked_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "tables": [
            table_record(item.checked, report, fate)
            for item, report, fate in zip(found, reports, fates, strict=True)
        ],
    }
    write_json(site.record_path(record["validation"]), record)
    return reports


@contextmanager
def _gate_closed(layout: Layout, found: Sequence[_Found] = ()) -> Generator[None]:
    """Say of reports that can't be stored that the tables count as unchecked."""
    try:
        yield
    except OSError as error:
        said = [line for item in found for line in _failures(item.checked.report)]
        raise DataQualityError(
            f"{layout.dataset}: the quality reports can't be stored under {layout.base}: "
            f"{error}. The tables count as unchecked; make the folder writable and run this step "
            "again" + "".join(f"\n  {line}" for line in said)
        ) from error


def _num_versions(check: Check) -> int:
    """Versions before this one that a check looks at."""
    return max(check.last, 1 if check.reference in ("last", "train") else 0)


def _merged(
    layout: Layout, table: TableVersion, spec: TableSpec
) -> tuple[dict[str, float | None], frozenset[str] | None]:
    """Numbers of an earlier version by interval, and the intervals that were written since."""
    found = since_checked(layout, table) if spec.interval else None
    if found is None or spec.interval is None:
        return {}, None
    from pipelines.quality.intervals import interval_names  # noqa: PLC0415  see _check

    states, spans = found
    every = spec.interval.every
    return dict(states), frozenset(name for span in spans for name in interval_names(span, every))


def _ridden(table: TableVersion, step: StepResult | None) -> dict[str, Any]:
    """Numbers that were measured while the version was written; of a part of it, none."""
    if step is None:
        return {}
    found = dict(step.numbers.get(table.name, {}))
    found[QUARANTINED] = sum(step.rows[table.name].quarantined.values())
    return {name: float(v) if isinstance(v, str) else v for name, v in found.items()}


def _reports(result: StepResult) -> list[QualityReport]:
    return [read_report(value) for value in result.details["reports"]]


def _validation(result: StepResult) -> str:
    return f"{result.step}-{result.fingerprint}"


def _has_pages(result: StepResult, layout: Layout, site: QualitySite) -> bool:
    docs = [layout.quality / report.data_docs for report in _reports(result)]
    return all(path.is_file() for path in (*docs, site.record_path(_validation(result))))


def _close_gate(result: StepResult, layout: Layout) -> None:
    reports = _reports(result)
    for report in reports:
        for check in report.failed("warning"):
            sys.stderr.write(f"warning: {report.table}: {check}\n")
    failed = [report for report in reports if not report.success]
    if not failed and len(reports) == len(result.tables) > 0:
        return
    lines: list[str] = []
    for report in failed:
        lines += [f"\n  {line}" for line in _failures(report)]
        lines.append(f"\n  Data Docs: {layout.quality / report.data_docs}")
    lines.append(f"\n  see {result.files['quality']}")
    raise DataQualityError(
        f"{result.dataset}: {len(failed)} of {len(result.tables)} tables break their contract; "
        "mend the source or the step that wrote the table, or change the check in "
        f"schemas/{result.dataset}.py, and run again:{''.join(lines)}"
    )


def _failures(report: QualityReport) -> list[str]:
    failed = report.failed("error")
    lines = [f"{report.table}: {check}" for check in failed[:_MAX_SHOWN]]
    if len(failed) > _MAX_SHOWN:
        lines.append(f"{report.table}: and {len(failed) - _MAX_SHOWN} more")
    return lines
