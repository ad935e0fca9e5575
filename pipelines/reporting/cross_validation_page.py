"""The page of one cross-validation: each figure's mean and spread, then fold by fold."""

from collections.abc import Mapping, Sequence
from typing import Any

from pipelines.reporting.headline import Tile
from pipelines.reporting.templates import open_template

# what a person looks at first, of those that there are
_LEADING = ("roc_auc", "log_loss", "accuracy", "macro_f1", "mae", "rmse", "r2")
_WAYS = {
    "key": "by a hash of the primary key",
    "label": "by a hash of the primary key, with as many rows of each label in each fold",
    "group": "by a hash of {columns}: a group is never in two folds",
    "time": "by time: windows that grow, each trained strictly before what it holds out",
}


def render_cross_validation(details: Mapping[str, Any], title: str, question: str) -> str:
    """Give the page's HTML.

    Args:
        details: What stands in ``summary.json``: ``parameters``, ``training``, ``summary`` and
            ``folds``.
        title: Of the data set.
        question: Of the data set.
    """
    summary, parameters = details["summary"], details["parameters"]
    names = list(dict.fromkeys(name for figures in summary.values() for name in figures))
    leading = [name for name in _LEADING if name in names]
    return open_template("cross_validation.html", figure=say_figure).render(
        title=title,
        question=question,
        parameters=parameters,
        training=details["training"],
        how=_WAYS[parameters["by"]].format(columns=", ".join(parameters["columns"])),
        tiles=_tiles(summary, leading, len(details["folds"])),
        summary=summary,
        names=[*leading, *(name for name in names if name not in leading)],
        leading=leading,
        folds=details["folds"],
    )


def say_figure(value: float) -> str:
    """Give a figure with four digits after the point, or as many as tell it from nothing.

    >>> say_figure(0.76543), say_figure(0.0000123)
    ('0.7654', '1.23e-05')
    """
    return f"{value:.4f}" if value == 0 or abs(value) >= _SMALL else f"{value:.3g}"


_SMALL = 0.0005


def _tiles(summary: Mapping[str, Any], leading: Sequence[str], num_folds: int) -> list[Tile]:
    first = next(iter(summary))
    model = "network" if "network" in summary else first
    figures = summary[model]
    tiles = [Tile(f"{num_folds}", "folds, each held out once")]
    for name in [name for name in leading if name in figures][:3]:
        found = figures[name]
        tiles.append(
            Tile(
                say_figure(found["mean"]),
                f"{name.replace('_', ' ')} of the {model}",
                f"± {say_figure(found['deviation'])} from fold to fold",
            )
        )
    return tiles
