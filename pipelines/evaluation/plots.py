"""Four plots of an evaluation as PNG: ROC, precision and recall, calibration, scores by class.

Colours are those of Okabe and Ito, told apart by colour-blind readers; each model also has its own
line style, so the plots survive a black and white printer.
"""

from collections.abc import Callable, Mapping
from io import BytesIO
from typing import Any, TypeAlias

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from pipelines.evaluation import metrics
from pipelines.evaluation.measure import NETWORK, Scores

STYLES = (("#0072B2", "-"), ("#D55E00", "--"), ("#009E73", "-."), ("#7A7A7A", ":"))
_MAX_POINTS = 2000
Drawing: TypeAlias = Callable[[Axes, Scores], None]
_INCHES = (5.2, 4.2)
_DPI = 130


def draw_plots(test: Scores, title: str) -> dict[str, bytes]:
    """Draw the plots of the ``test`` scores; gives PNG bytes by file name.

    Args:
        test: Labels and probabilities by predictor.
        title: Second line of each title: what was predicted, on which rows.
    """
    drawings: dict[str, tuple[Drawing, str]] = {
        "roc.png": (_draw_roc, "ROC curve"),
        "precision_recall.png": (_draw_precision_recall, "Precision and recall"),
        "calibration.png": (_draw_calibration, "Calibration"),
        "scores.png": (_draw_scores, "Scores by class, network"),
    }
    return draw_each(drawings, test, title)


def draw_each(
    drawings: Mapping[str, tuple[Drawing, str]], test: Scores, title: str
) -> dict[str, bytes]:
    """Draw each plot, by file name what draws it and its heading; gives PNG bytes by file name."""
    found: dict[str, bytes] = {}
    for name, (draw, heading) in drawings.items():
        figure = Figure(figsize=_INCHES, dpi=_DPI, layout="constrained")
        axes = figure.add_subplot()
        axes.grid(True, color="#dddddd", linewidth=0.6)
        axes.set_axisbelow(True)
        draw(axes, test)
        axes.set_title(f"{heading}\n{title}", fontsize=10)
        found[name] = to_png(figure)
    return found


def _draw_roc(axes: Axes, test: Scores) -> None:
    for name, style, ranking in _rankings(test):
        false_rate, true_rate = metrics.roc_curve(ranking)
        axes.plot(*_thinned(false_rate, true_rate), **style, label=spoken(name))
    axes.set_xlabel("false positive rate (share of negatives)")
    axes.set_ylabel("true positive rate (share of positives)")
    axes.legend(loc="lower right", fontsize=8)


def _draw_precision_recall(axes: Axes, test: Scores) -> None:
    for name, style, ranking in _rankings(test):
        precision, recall = metrics.precision_recall_curve(ranking)
        # the first points stand on a handful of rows: they are noise that hides the curve
        is_steady = recall >= min(0.01, float(recall[-1]))
        points = _thinned(recall[is_steady], precision[is_steady])
        axes.plot(*points, **style, label=spoken(name))
    axes.set_xlabel("recall (share of positives found)")
    axes.set_ylabel("precision (share of calls that are right)")
    axes.set_ylim(0, 1.02)
    axes.legend(loc="upper right", fontsize=8)


def _draw_calibration(axes: Axes, test: Scores) -> None:
    axes.plot([0, 1], [0, 1], color="#bbbbbb", linewidth=1, label="perfect")
    for (name, score), (colour, line) in zip(test.said.items(), STYLES, strict=False):
        bins = metrics.calibration_bins(test.label, score)
        style: dict[str, Any] = {"color": colour, "linestyle": line, "marker": "o"}
        axes.plot(bins.score, bins.positive_share, **style, markersize=4, label=spoken(name))
    axes.set_xlabel("mean predicted probability of the bin")
    axes.set_ylabel("share of positives in the bin")
    axes.legend(loc="upper left", fontsize=8)


def _draw_scores(axes: Axes, test: Scores) -> None:
    score = test.said[NETWORK]
    edges = np.linspace(0, 1, 41)
    for value, (colour, line) in zip((0, 1), (STYLES[0], STYLES[1]), strict=True):
        rows = score[test.label == value]
        weights = np.full(rows.size, 1 / max(rows.size, 1))
        style: dict[str, Any] = {"color": colour, "linestyle": line, "linewidth": 1.6}
        label = f"label {value} ({rows.size:,} rows)"
        axes.hist(rows, edges.tolist(), weights=weights, histtype="step", label=label, **style)
    axes.set_xlabel("predicted probability")
    axes.set_ylabel("share of the class's rows, in bins of 0.025")
    axes.legend(fontsize=8)


def _rankings(test: Scores) -> list[tuple[str, dict[str, Any], metrics.Ranking]]:
    found: list[tuple[str, dict[str, Any], metrics.Ranking]] = []
    for (name, score), (colour, line) in zip(test.said.items(), STYLES, strict=False):
        style = {"color": colour, "linestyle": line, "linewidth": 1.6}
        found.append((name, style, metrics.rank(test.label, score)))
    return found


def _thinned(x: Any, y: Any) -> tuple[Any, Any]:
    kept = np.unique(np.linspace(0, len(x) - 1, min(len(x), _MAX_POINTS)).astype(int))
    return x[kept], y[kept]


def spoken(name: str) -> str:
    """Give the name of a predictor as people read it."""
    return name.replace("_", " ")


def to_png(figure: Figure) -> bytes:
    """Give the picture, the same bytes for the same figure."""
    FigureCanvasAgg(figure)
    content = BytesIO()
    # no clock in the file: the same scores give the same bytes
    figure.savefig(content, format="png", metadata={"Software": None})
    return content.getvalue()
