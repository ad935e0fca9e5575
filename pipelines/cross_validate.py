"""Cross-validate: what a training gives on rows that it has not seen, fold by fold.

Each fold is a lake of its own under a root of its own: its split table, what is fitted on its
training rows, its features, its model and the figures on the rows it holds out. The steps are those
of every data set, so nothing here can learn from a row that is held out; the rows of the data set's
own test split are in no fold.
"""

import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from pipelines.cli import param
from pipelines.errors import ParameterError
from pipelines.layout import Layout
from pipelines.reporting.cross_validation_page import render_cross_validation
from pipelines.state import read_object, write_bytes, write_json
from pipelines.step import StepKey, StepResult, has_files, once, step_key
from pipelines.storage.files import remove_folder
from schemas.catalog import dataset

# what the steps of a fold leave that holds rows, or nobody looks at once it is measured
_SCRATCH = (
    "split", "imputed", "features", "quarantine", "quality", "measures", "reports", "drift",
)  # fmt: skip
_FIGURES = ("rows", "models")


@dataclass(frozen=True, slots=True)
class CrossValidateParams:
    """Train on all folds but one and measure on that one, for each; the test split is not used."""

    dataset: str = param("name of the data set, a module of schemas/")
    root: str = param("folder of all tables")
    inputs: tuple[str, ...] = param(
        "split table of the main source, deduplicated tables of the others: PATH@vN"
    )
    folds: int = param("how many", 5)
    by: str = param("key, label, group or time; see jobs/fold.py", "key")
    columns: tuple[str, ...] = param("the columns of a group, or the one of time", ())
    validation_share: float = param(
        "of the rows that are not held out, those that choose the best epoch", 0.1
    )
    gap_seconds: float = param("by time: seconds before what is held out that are left out", 0.0)
    fold_seed: int = param("makes another cut of the same rows", 1)


@dataclass(frozen=True, slots=True)
class Fold:
    """One fold: its number from 1, and the root of its lake."""

    number: int
    root: str


def run(
    params: CrossValidateParams,
    training: Mapping[str, Any],
    measure: Callable[[Fold], Mapping[str, StepResult]],
) -> StepResult:
    """Measure each fold and sum up; a fold that was measured before is not measured again.

    Args:
        params: How rows are cut.
        training: Parameters of the training that are not the default ones.
        measure: Makes one fold; gives the results of its steps ``split``, ``train`` and
            ``evaluate`` by name.

    Raises:
        GristmillError: What a step of a fold raised. The folds before it are kept.
    """
    spec = dataset(params.dataset)
    layout = Layout(params.root, spec.name)
    decides = {**asdict(params), "root": ""}
    key = step_key("cross_validate", layout, spec.fingerprint(), decides, dict(training))

    def make() -> StepResult:
        folder = layout.folds(key.fingerprint)
        numbers = range(1, params.folds + 1)
        return _sum_up([_measured(folder, number, params, measure) for number in numbers],
                       key, params, training)  # fmt: skip

    return once(key, make, has_files)


def summarize(folds: Sequence[Mapping[str, Any]]) -> dict[str, dict[str, dict[str, Any]]]:
    """Give, for each model and figure, ``mean``, ``deviation`` (n - 1) and ``folds``, one by one.

    A figure that a fold lacks is left out, as a mean over fewer folds would not be that of all.

    >>> fold = lambda auc: {"models": {"network": {"roc_auc": auc, "threshold": None}}}
    >>> summarize([fold(0.5), fold(0.7)])["network"]["roc_auc"]["mean"]
    0.6
    """
    found: dict[str, dict[str, dict[str, Any]]] = {}
    for model, figures in folds[0]["models"].items():
        for name in figures:
            values = [fold["models"].get(model, {}).get(name) for fold in folds]
            if all(type(value) is float for value in values):
                found.setdefault(model, {})[name] = {
                    "mean": statistics.fmean(values),
                    "deviation": statistics.stdev(values),
                    "folds": values,
                }
    return found


def _measured(
    folder: Path,
    number: int,
    params: CrossValidateParams,
    measure: Callable[[Fold], Mapping[str, StepResult]],
) -> dict[str, Any]:
    said = folder / f"fold-{number}.json"
    if said.exists():
        return read_object(said, _FIGURES)
    root = folder / f"fold-{number}"
    results = measure(Fold(number, str(root)))
    trained, evaluated = results["train"], results["evaluate"]
    split = results["split"]
    figures: dict[str, Any] = {
        "fold": number,
        "rows": {name: asdict(fates) for name, fates in split.rows.items()},
        "splits": split.details["splits"],
        "models": evaluated.details["models"],
        "epochs": trained.details["epochs"],
        "best_epoch": trained.details["best_epoch"],
        "model": trained.files["model"],
        "metrics": evaluated.files["metrics"],
    }
    write_json(said, figures)
    # the copies of rows that a fold needs would be as many tables that purge does not know of
    base = Layout(str(root), params.dataset).base
    for name in _SCRATCH:
        if (base / name).exists():
            remove_folder(base / name)
    return figures


def _sum_up(
    folds: Sequence[Mapping[str, Any]],
    key: StepKey,
    params: CrossValidateParams,
    training: Mapping[str, Any],
) -> StepResult:
    spec = dataset(params.dataset)
    summary = summarize(folds)
    if not summary:
        raise ParameterError("expected figures of the folds; their evaluations have none in common")
    details: dict[str, Any] = {
        "parameters": asdict(params),
        "training": dict(training),
        "summary": summary,
        "folds": [dict(fold) for fold in folds],
    }
    record = key.layout.folds(key.fingerprint) / "summary.json"
    write_json(record, details)
    page = key.layout.reports / f"cross_validation-{key.fingerprint}" / "index.html"
    write_bytes(page, render_cross_validation(details, spec.title, spec.question).encode())
    files = {"summary": str(record), "report": str(page)}
    said = {"folds": len(folds), "summary": summary}
    return StepResult("cross_validate", spec.name, key.fingerprint, files=files, details=said)
