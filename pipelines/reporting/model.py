"""The model's part of the page: figures beside the baselines, curves of training, plots."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from markupsafe import Markup

from pipelines.reporting.charts import Chart, draw_chart
from pipelines.reporting.run_record import Run
from pipelines.reporting.templates import png_uri
from pipelines.state import read_json
from pipelines.storage.place import place

# by kind of label; top-3 accuracy is had of many classes only
FIGURES = {
    "binary": (
        ("roc_auc", "ROC AUC"),
        ("pr_auc", "PR AUC"),
        ("log_loss", "log loss"),
        ("brier", "Brier"),
        ("calibration_error", "calibration error"),
        ("accuracy", "accuracy"),
        ("precision", "precision"),
        ("recall", "recall"),
        ("f1", "F1"),
        ("threshold", "threshold"),
    ),
    "classes": (
        ("accuracy", "accuracy"),
        ("macro_f1", "macro F1"),
        ("weighted_f1", "weighted F1"),
        ("top_3", "among the first 3"),
        ("log_loss", "log loss"),
    ),
    "number": (("mae", "MAE"), ("rmse", "RMSE"), ("r2", "R²"), ("bias", "bias")),
}
_LOWER_IS_BETTER = ("log_loss", "brier", "calibration_error", "mae", "rmse", "bias")
_NO_BEST = ("threshold",)
PLOTS = (
    ("roc", "ROC curve of each model"),
    ("precision_recall", "Precision by recall of each model"),
    ("calibration", "Share of positives by predicted probability"),
    ("scores", "Predicted probabilities of each class"),
    ("confusion", "Rows by class and class called"),
    ("f1_of_classes", "F1 of each class and model"),
    ("predicted", "Predicted values by actual ones"),
    ("residuals", "Errors of each model"),
    ("residuals_by_predicted", "Errors by predicted value"),
)
PICTURES = (
    ("augmented", "Training images as they are (left), and as the first nine epochs see them"),
)
# columns of a history that tell of the work, not of the model
_NOT_FIGURES = (
    "epoch",
    "input_wait_s",
    "learning_rate",
    "rows",
    "rows_per_s",
    "seconds",
    "step",
    "train_s",
)


@dataclass(frozen=True, slots=True)
class Cell:
    """One figure of one model; ``is_best`` among the models, ties included."""

    heading: str
    value: str
    is_best: bool


@dataclass(frozen=True, slots=True)
class ModelRow:
    """One model's figures on the test split."""

    name: str
    cells: tuple[Cell, ...]


def model_rows(evaluation: dict[str, Any]) -> list[ModelRow]:
    """Give a row for each model of ``details`` of evaluate; none if it was not run."""
    models: dict[str, dict[str, Any]] = evaluation.get("models", {})
    rows: list[ModelRow] = []
    for name, figures in models.items():
        cells = [
            Cell(heading, _say(figures[key]), _is_best(models, key, figures[key]))
            for key, heading in FIGURES[evaluation["kind"]]
            if key in figures
        ]
        rows.append(ModelRow(name.replace("_", " "), tuple(cells)))
    return rows


def model_notes(evaluation: dict[str, Any]) -> str:
    """Say what the figures of ``model_rows`` mean, and how sure the network's are."""
    if not evaluation:
        return ""
    figures, unit = dict(FIGURES[evaluation["kind"]]), evaluation.get("unit")
    drawn = evaluation["bootstrap"]
    intervals = [
        f"{figures[name]} {_say(ends['low'])} to {_say(ends['high'])}"
        for name, ends in evaluation["intervals"].items()
    ]
    drawing = f"{drawn['resamples']:,} bootstrap draws of rows, seed {drawn['seed']}"
    said = [f"The network's 95% interval: {', '.join(intervals)} ({drawing})."]
    if unit:
        said.append(f"MAE, RMSE and bias are in {unit}.")
    lower = [words for name, words in figures.items() if name in _LOWER_IS_BETTER]
    first = f"{', '.join(lower[:-1])} and " if lower[1:] else ""
    said.append(f"Lower is better for {first}{lower[-1]}.")
    if "threshold_rule" in evaluation:
        said.append(f"Threshold: {evaluation['threshold_rule']}.")
        said.append(f"Calibration error: {evaluation['calibration_rule']}.")
    return " ".join(said)


def training_charts(run: Run) -> list[Markup]:
    """Draw loss and other figures by epoch from the training's history file."""
    train = run.steps.get("train")
    path = place(train.files.get("history", "")) if train else Path()
    if not path.is_file():
        return []
    lines = history_lines(read_json(path))
    names = dict.fromkeys(name.removeprefix("val_") for name in lines)
    best = _best_epoch(lines)
    charts: list[Markup] = []
    for name in [name for name in names if name not in _NOT_FIGURES]:
        pair = {"training": lines.get(name, ()), "validation": lines.get(f"val_{name}", ())}
        pair = {words: line for words, line in pair.items() if line}
        words = _spoken(name)
        note = f"best: epoch {best}" if best else ""
        charts.append(draw_chart(Chart(words, "epoch", words, pair, best, note)))
    return [chart for chart in charts if chart]


def history_lines(history: Any) -> dict[str, Sequence[float]]:
    """Give figures by name, a value for each epoch.

    Args:
        history: Keras' own shape, ``{"loss": [...]}``, or one object for each epoch; either may
            stand under the key ``history`` or ``epochs``.
    """
    if isinstance(history, dict):
        inner = history.get("history", history.get("epochs"))
        if isinstance(inner, dict | list):
            return history_lines(inner)
        return {key: line for key, line in history.items() if _is_line(line)}
    names = dict.fromkeys(key for epoch in history for key in epoch)
    lines = {name: [epoch.get(name) for epoch in history] for name in names}
    return {name: line for name, line in lines.items() if _is_line(line)}


def plot_images(run: Run) -> list[tuple[str, str]]:
    """Give (description, data URI) of each plot of the evaluation, and of training's pictures."""
    made = [(step, run.steps[step].files) for step in ("evaluate", "train") if step in run.steps]
    wanted = {"evaluate": PLOTS, "train": PICTURES}
    paths = [
        (words, place(files[name]))
        for step, files in made
        for name, words in wanted[step]
        if name in files
    ]
    return [(words, png_uri(path.read_bytes())) for words, path in paths if path.is_file()]


def _best_epoch(lines: dict[str, Sequence[float]]) -> int:
    for name, choose in (("val_loss", min), ("val_auc", max)):
        if name in lines:
            return 1 + list(lines[name]).index(choose(lines[name]))
    return 0


def _is_best(models: dict[str, dict[str, Any]], key: str, value: float) -> bool:
    if key in _NO_BEST:
        return False
    values = [abs(figures[key]) if key == "bias" else figures[key] for figures in models.values()]
    best = min(values) if key in _LOWER_IS_BETTER else max(values)
    return bool((abs(value) if key == "bias" else value) == best)


def _say(value: float) -> str:
    return f"{value:.4f}" if abs(value) < _LARGE else f"{value:,.6g}"


_LARGE = 100


def _is_line(value: Any) -> bool:
    return (
        isinstance(value, list)
        and bool(value)
        and all(isinstance(item, int | float) and not isinstance(item, bool) for item in value)
    )


def _spoken(name: str) -> str:
    known = {"auc": "ROC AUC", "roc_auc": "ROC AUC", "pr_auc": "PR AUC", "lr": "learning rate"}
    return known.get(name, name.replace("_", " "))
