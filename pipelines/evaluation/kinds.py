"""What is measured and drawn of each kind of label: 0 or 1, one of several classes, a number."""

from dataclasses import asdict, dataclass
from typing import Any

from pipelines.evaluation import (
    class_metrics,
    measure,
    metrics,
    number_metrics,
    plots,
    plots_of_classes,
    plots_of_numbers,
    verdict,
)
from pipelines.evaluation.baselines import MAJORITY, RIDGE
from pipelines.evaluation.measure import NETWORK, Scores
from schemas.target import Target

MACRO_F1 = verdict.Figure("macro_f1", "macro F1")


@dataclass(frozen=True, slots=True)
class Bootstrap:
    """How an interval is drawn."""

    resamples: int
    seed: int


def figure_of(target: Target) -> verdict.Figure:
    """Give the figure by which models are compared.

    A number's is the root of the mean squared error: by the mean absolute error whoever always says
    the median, such as no spending at all, can be hard to beat.
    """
    if target.kind == "number":
        return verdict.Figure("rmse", "RMSE", True, target.unit, RIDGE)
    return MACRO_F1 if target.kind == "classes" else verdict.ROC_AUC


def measure_all(
    target: Target, validation: Scores, test: Scores, draws: Bootstrap
) -> dict[str, Any]:
    """Give the figures of each predictor, an interval of the network's, and the verdict."""
    measured = {"binary": _binary, "classes": _classes, "number": _numbers}[target.kind]
    found = measured(target, validation, test, draws)
    figure, models = figure_of(target), found["models"]
    interval = found["intervals"][figure.name]
    return {
        "kind": target.kind,
        "compared_by": asdict(figure),
        "verdict": verdict.say_verdict(models, (interval["low"], interval["high"]), figure),
        "trees_win": verdict.trees_win(models, figure),
        **found,
        "bootstrap": asdict(draws),
    }


def figures_of(target: Target, label: Any, given: Any) -> dict[str, float]:
    """Give the figures of a label's kind that need no threshold.

    Args:
        target: What the label is.
        label: (rows,).
        given: By a predictor, (rows,), or of classes (rows, K).
    """
    if target.kind == "binary":
        return metrics.ranking_figures(label, given)
    figures = (
        class_metrics.class_figures if target.kind == "classes" else number_metrics.number_figures
    )
    return figures(label, given)


def draw_plots(target: Target, test: Scores, title: str) -> dict[str, bytes]:
    """Draw the plots of a label's kind; gives PNG bytes by file name."""
    if target.kind == "binary":
        return plots.draw_plots(test, title)
    module = plots_of_classes if target.kind == "classes" else plots_of_numbers
    return module.draw_plots(test, title, target)


def count_rows(target: Target, test: Scores) -> dict[str, Any]:
    """Say what the labels of the test rows are."""
    if target.kind == "binary":
        return {"test_positive": int(test.label.sum())}
    if target.kind == "classes":
        return {
            "test_classes": {n: int((test.label == p).sum()) for p, n in enumerate(target.classes)}
        }
    label = test.label.astype(float)
    return {"test_mean": float(label.mean()), "test_deviation": float(label.std())}


def _binary(target: Target, validation: Scores, test: Scores, draws: Bootstrap) -> dict[str, Any]:
    low, high = metrics.roc_auc_interval(
        test.label, test.said[NETWORK], draws.seed, draws.resamples
    )
    return {
        "models": measure.measure(validation, test, {MAJORITY: 0.5}),
        "intervals": {"roc_auc": {"low": low, "high": high}},
        "validation": {
            name: figures_of(target, validation.label, probability)
            for name, probability in validation.said.items()
        },
        "threshold_rule": measure.THRESHOLD_RULE,
        "calibration_rule": measure.CALIBRATION_RULE,
    }


def _classes(target: Target, validation: Scores, test: Scores, draws: Bootstrap) -> dict[str, Any]:
    models: dict[str, dict[str, Any]] = {}
    for name, probability in test.said.items():
        counts = class_metrics.confusion_matrix(
            test.label, probability.argmax(axis=1), target.width
        )
        models[name] = {
            **class_metrics.class_figures(test.label, probability),
            "classes": class_metrics.each_class(counts, target.classes),
            "confusion": counts.tolist(),
        }
    called = test.said[NETWORK].argmax(axis=1)
    counts = class_metrics.confusion_matrix(test.label, called, target.width)
    low, high = class_metrics.macro_f1_interval(counts, draws.seed, draws.resamples)
    return {
        "models": models,
        "classes": list(target.classes),
        "intervals": {"macro_f1": {"low": low, "high": high}},
        "validation": {
            name: figures_of(target, validation.label, probability)
            for name, probability in validation.said.items()
        },
    }


def _numbers(target: Target, validation: Scores, test: Scores, draws: Bootstrap) -> dict[str, Any]:
    network = test.said[NETWORK]
    found = number_metrics.number_intervals(test.label, network, draws.seed, draws.resamples)
    return {
        "models": {
            name: number_metrics.number_figures(test.label, given)
            for name, given in test.said.items()
        },
        "unit": target.unit,
        "intervals": {name: {"low": low, "high": high} for name, (low, high) in found.items()},
        "errors": number_metrics.error_quantiles(test.label, network),
        "validation": {
            name: figures_of(target, validation.label, given)
            for name, given in validation.said.items()
        },
    }
