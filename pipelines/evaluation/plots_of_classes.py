"""Two plots of an evaluation of classes as PNG: the confusion matrix, and F1 of each class."""

from functools import partial

import numpy as np
from matplotlib.axes import Axes

from pipelines.evaluation.baselines import MAJORITY
from pipelines.evaluation.class_metrics import confusion_matrix, f1_of_classes
from pipelines.evaluation.measure import NETWORK, Scores
from pipelines.evaluation.plots import STYLES, Drawing, draw_each, spoken
from schemas.target import Target

_MAX_NUMBERS = 12  # with more classes the numbers in the cells can't be read
_DARK = 0.5


def draw_plots(test: Scores, title: str, target: Target) -> dict[str, bytes]:
    """Draw the plots of the ``test`` scores; gives PNG bytes by file name."""
    drawings: dict[str, tuple[Drawing, str]] = {
        "confusion.png": (partial(_draw_confusion, target=target), "Confusion matrix, network"),
        "f1_of_classes.png": (partial(_draw_f1, target=target), "F1 of each class"),
    }
    return draw_each(drawings, test, title)


def _draw_confusion(axes: Axes, test: Scores, target: Target) -> None:
    called = test.said[NETWORK].argmax(axis=1)
    counts = confusion_matrix(test.label, called, target.width)
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    places = range(target.width)
    axes.set_xticks(places, target.classes, rotation=45, ha="right", fontsize=8)
    axes.set_yticks(places, target.classes, fontsize=8)
    axes.set_xlabel("called")
    axes.set_ylabel("is (colour: share of the class's rows)")
    axes.grid(visible=False)
    if target.width > _MAX_NUMBERS:
        return
    for row, column in np.ndindex(counts.shape):
        colour = "white" if shares[row, column] > _DARK else "black"
        said = f"{counts[row, column]:,}"
        axes.text(column, row, said, ha="center", va="center", fontsize=7, color=colour)


def _draw_f1(axes: Axes, test: Scores, target: Target) -> None:
    names = [name for name in test.said if name != MAJORITY]
    width = 0.8 / len(names)
    for number, (name, (colour, _)) in enumerate(zip(names, STYLES, strict=False)):
        counts = confusion_matrix(test.label, test.said[name].argmax(axis=1), target.width)
        places = np.arange(target.width) + (number - (len(names) - 1) / 2) * width
        axes.barh(places, f1_of_classes(counts), width, color=colour, label=spoken(name))
    axes.set_yticks(range(target.width), target.classes, fontsize=8)
    axes.invert_yaxis()
    axes.set_xlim(0, 1)
    axes.set_xlabel("F1")
    axes.legend(fontsize=7, loc="upper center", bbox_to_anchor=(0.5, -0.14), ncol=len(names))
