"""Measure a trained model on the test split, once, beside honest baselines.

The baselines are fitted on the same features and the same training rows. Validation chooses each
threshold (and later the champion); the test split is only ever measured.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipelines.cli import param
from pipelines.errors import ParameterError
from pipelines.evaluation import kinds, measure, members
from pipelines.evaluation.arrays import read_sample
from pipelines.evaluation.baselines import NAIVE, fit_baselines, naive_forecast
from pipelines.evaluation.predict import Predictor, open_predictor
from pipelines.layout import Layout
from pipelines.loading.local_copies import LocalCopies
from pipelines.loading.split_files import split_files
from pipelines.state import file_digest, read_features, read_object, write_bytes, write_json
from pipelines.step import (
    StepKey,
    StepResult,
    has_files,
    maker_of,
    once,
    require_trained,
    step_key,
)
from pipelines.storage.place import place
from pipelines.tables.ledger_table import require_passed
from pipelines.tables.version import parse_version
from schemas.catalog import dataset
from schemas.encode import FeatureSet, Numeric
from schemas.feature_columns import numeric_name


@dataclass(frozen=True, slots=True)
class EvaluateParams:
    """Measure a model on the test split, beside baselines trained on the same rows."""

    dataset: str = param("Data set, a contract in schemas/")
    root: str = param("Folder that holds all tables and files")
    features: str = param("Features table pinned to a version, like path@v3")
    state: str = param("State of engineer_features, JSON: names and order of the model's inputs")
    model: str = param("Trained model, .keras file")
    seed: int = param("Seed of the trees, the bootstrap and any sampling", 1)
    resamples: int = param("Bootstrap draws for the interval of the leading figure", 1000)
    max_baseline_rows: int = param("Most training rows for a baseline; more are sampled", 1_000_000)
    cache: str = param("folder for the local copies of remote tables", "")
    cache_mb: int = param("what the copies of all remote tables may take up, in MB", 100_000)


def run(params: EvaluateParams) -> StepResult:
    """Measure one model on one features version; a repeated run gives the recorded figures.

    Raises:
        TrainingError: A split is empty or has one class, or the model gives NaN.
        ParameterError: The model or the state is missing, the model was changed since it was
            trained or is no plain network, or a number is out of range.
    """
    _check(params)
    spec, digests = dataset(params.dataset), _digests(params)
    numbers = (params.seed, params.resamples, params.max_baseline_rows)
    layout = Layout(params.root, params.dataset)
    maker = maker_of(layout, params.model)
    require_trained(maker, params.model, digests["model"])
    key = step_key("evaluate", layout, spec.fingerprint(), params.features, digests, numbers)
    return once(key, lambda: _evaluate(params, key, maker, digests), has_files)


def _evaluate(
    params: EvaluateParams, key: StepKey, maker: StepResult | None, digests: dict[str, str]
) -> StepResult:
    require_passed((params.features,))
    table = parse_version(params.features)
    features = read_features(place(params.state))
    copies = LocalCopies(params.cache, params.cache_mb)
    files = split_files(table.path, table.version, features, copies)
    train, train_rows = read_sample(files["train"], features, params.max_baseline_rows, params.seed)
    measure.check_labels(train.label, "train", features)
    target = features.target
    predictors = {
        measure.NETWORK: open_predictor(params.model, digests["model"], target),
        **_original(maker, features),
        **_naive(params, features),
        **fit_baselines(train, features, params.seed),
        # last: plots have room for the first few
        **members.open_members(maker, features),
    }
    validation = measure.score_split("validation", files["validation"], features, predictors)
    if (said := members.cross_fitted_scores(maker, len(validation.label))) is not None:
        validation.said[measure.NETWORK] = said
    test = measure.score_split("test", files["test"], features, predictors)
    draws = kinds.Bootstrap(params.resamples, params.seed)
    details = kinds.measure_all(target, validation, test, draws)
    counts = {scores.split: int(scores.label.size) for scores in (validation, test)}
    counts |= {"train": train_rows, "baselines": len(train)}
    details |= members.describe_ensemble(maker)
    details["rows"] = counts | kinds.count_rows(target, test)
    contract = dataset(params.dataset).fingerprint()
    details |= {"features": str(table), "contract": contract, "label": features.label}
    details |= {f"{name}_sha256": digest for name, digest in digests.items()}
    folder = key.layout.base / "evaluations" / key.fingerprint
    written = _write(folder, details, test, features)
    return StepResult("evaluate", params.dataset, key.fingerprint, files=written, details=details)


def _original(maker: StepResult | None, features: FeatureSet) -> dict[str, Predictor]:
    """Give the network that a compressed one was made of, while that is still there."""
    if maker is None or maker.step != "compress":
        return {}
    model, digest = maker.details["original_model"], maker.details["original_sha256"]
    if not place(model).is_file():
        return {}
    return {measure.ORIGINAL: open_predictor(model, digest, features.target)}


def _naive(params: EvaluateParams, features: FeatureSet) -> dict[str, Predictor]:
    """Give the forecast that the contract's label names, its scale undone; or none."""
    column = dataset(params.dataset).label.naive
    if not column:
        return {}
    name = numeric_name(Numeric(column))
    scale = read_object(place(params.state), ("encode",))["encode"]["scales"][name]
    place_of = features.numeric.index(name)
    return {NAIVE: naive_forecast(place_of, scale["shift"], scale["width"])}


def _write(
    folder: Path, details: dict[str, Any], test: measure.Scores, features: FeatureSet
) -> dict[str, str]:
    title = f"{features.label}, {test.label.size:,} test rows"
    written: dict[str, str] = {}
    for name, content in kinds.draw_plots(features.target, test, title).items():
        write_bytes(folder / name, content)
        written[Path(name).stem] = str(folder / name)
    write_json(folder / "metrics.json", details)
    return {"metrics": str(folder / "metrics.json"), **written}


def _digests(params: EvaluateParams) -> dict[str, str]:
    return {name: file_digest(place(getattr(params, name))) for name in ("model", "state")}


def _check(params: EvaluateParams) -> None:
    for name in ("model", "state"):
        path = getattr(params, name)
        if not place(path).is_file():
            raise ParameterError(
                f"--{name}: expected a file; found none at {path!r}. Give the path in the result "
                f"of {'train' if name == 'model' else 'engineer_features'}, files.{name}"
            )
    if params.resamples < 1 or params.max_baseline_rows < 1:
        raise ParameterError(
            "--resamples and --max-baseline-rows: expected at least 1; got "
            f"{params.resamples} and {params.max_baseline_rows}"
        )
