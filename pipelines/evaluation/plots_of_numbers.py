"""Three plots of an evaluation of a number as PNG: predicted by actual, errors, errors by size."""

from functools import partial
from typing import Any

import numpy as np
from matplotlib.axes import Axes

from pipelines.evaluation.measure import NETWORK, Scores
from pipelines.evaluation.plots import STYLES, Drawing, draw_each, spoken
from schemas.target import Target

_SHOWN = (0.1, 99.9)  # percentiles: a single far value would hide all others
_NUM_GROUPS = 20


def draw_plots(test: Scores, title: str, target: Target) -> dict[str, bytes]:
    """Draw the plots of the ``test`` scores; gives PNG bytes by file name."""
    drawings: dict[str, tuple[Drawing, str]] = {
        "predicted.png": (partial(_draw_predicted, target=target), "Predicted by actual, network"),
        "residuals.png": (partial(_draw_residuals, target=target), "Errors, predicted - actual"),
        "residuals_by_predicted.png": (
            partial(_draw_by_predicted, target=target), "Errors by predicted value, network",
        ),
    }  # fmt: skip
    return draw_each(drawings, test, title)


def _draw_predicted(axes: Axes, test: Scores, target: Target) -> None:
    given = test.said[NETWORK]
    low, high = np.percentile(np.concatenate([test.label, given]), _SHOWN)
    extent = (low, high, low, high)
    axes.hexbin(test.label, given, gridsize=60, extent=extent, bins="log", mincnt=1, cmap="Blues")
    axes.plot([low, high], [low, high], color="#D55E00", linewidth=1, label="perfect")
    axes.set_xlabel(f"actual{_unit(target)}; darker: more rows, by logarithm")
    axes.set_ylabel(f"predicted{_unit(target)}")
    axes.legend(loc="upper left", fontsize=8)


def _draw_residuals(axes: Axes, test: Scores, target: Target) -> None:
    errors = {name: given - test.label for name, given in test.said.items()}
    low, high = np.percentile(errors[NETWORK], _SHOWN)
    edges = np.linspace(low, high, 81).tolist()
    chosen = [name for name in errors if len(np.unique(test.said[name])) > 1]
    for name, (colour, line) in zip(chosen, STYLES, strict=False):
        style: dict[str, Any] = {"color": colour, "linestyle": line, "linewidth": 1.5}
        weights = np.full(test.label.size, 1 / test.label.size)
        axes.hist(
            errors[name], edges, weights=weights, histtype="step", label=spoken(name), **style
        )
    axes.set_xlabel(f"error{_unit(target)}")
    axes.set_ylabel("share of rows")
    axes.legend(fontsize=8)


def _draw_by_predicted(axes: Axes, test: Scores, target: Target) -> None:
    given = test.said[NETWORK]
    order = np.argsort(given, kind="stable")
    groups = [group for group in np.array_split(order, _NUM_GROUPS) if group.size]
    centres = [float(given[group].mean()) for group in groups]
    errors = [given[group] - test.label[group] for group in groups]
    ends = np.array([np.percentile(part, [10, 90]) for part in errors])
    axes.axhline(0, color="#bbbbbb", linewidth=1)
    axes.fill_between(centres, ends[:, 0], ends[:, 1], color="#0072B2", alpha=0.2, label="80 %")
    means = [float(part.mean()) for part in errors]
    axes.plot(centres, means, color="#0072B2", marker="o", markersize=3, label="mean")
    axes.set_xlabel(f"predicted{_unit(target)}, mean of {len(groups)} groups of equal size")
    axes.set_ylabel(f"error{_unit(target)}")
    axes.legend(fontsize=8)


def _unit(target: Target) -> str:
    return f" ({target.unit})" if target.unit else ""
