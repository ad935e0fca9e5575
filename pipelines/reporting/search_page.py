"""The page of one search: the best first, then what mattered, then each trial."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from markupsafe import Markup

from pipelines.reporting.charts import Chart, draw_chart
from pipelines.reporting.cross_validation_page import say_figure
from pipelines.reporting.headline import Tile
from pipelines.reporting.templates import open_template

_STATES = {"complete": "good", "pruned": "warn", "fail": "bad"}
_WORDS = {"complete": "ended", "pruned": "given up", "fail": "failed"}


def render_search(result: Mapping[str, Any], title: str) -> str:
    """Give the page's HTML.

    Args:
        result: What stands in the search's JSON file.
        title: Of the data set.
    """
    trials = result["trials"]
    names = list(dict.fromkeys(name for trial in trials for name in trial["parameters"]))
    return open_template("search.html", figure=say_figure, value=_value).render(
        result=result,
        title=title,
        tiles=_tiles(result),
        names=names,
        importance=[(name, share, 100 * share) for name, share in result["importance"].items()],
        ranked=sorted(trials, key=lambda trial: _rank(trial, result)),
        chart=_history(trials, result),
        states=_STATES,
        words=_WORDS,
    )


def _tiles(result: Mapping[str, Any]) -> list[Tile]:
    best, counts = result["best"], result["counts"]
    metric = result["metric"].replace("_", " ")
    tiles = [
        Tile(say_figure(best["value"]), f"best {metric}", f"trial {best['trial']}", "good"),
        Tile(f"{counts['complete']}", "trials ended"),
        Tile(f"{counts['pruned']}", "given up early"),
    ]
    if counts["fail"]:
        tiles.append(Tile(f"{counts['fail']}", "failed", status="warn"))
    return tiles


def _rank(trial: Mapping[str, Any], result: Mapping[str, Any]) -> tuple[int, float, int]:
    sign = -1 if result["is_greater_better"] else 1
    order = list(_STATES).index(trial["state"]) if trial["state"] in _STATES else len(_STATES)
    value = trial["value"]
    return order, sign * value if value is not None else 0.0, trial["number"]


def _history(trials: Sequence[Mapping[str, Any]], result: Mapping[str, Any]) -> Markup:
    choose = max if result["is_greater_better"] else min
    values: list[float] = []
    bests: list[float] = []
    for trial in trials:
        values.append(trial["value"] if trial["state"] == "complete" else math.nan)
        known = [value for value in values if math.isfinite(value)]
        bests.append(choose(known) if known else math.nan)
    metric = result["metric"].replace("_", " ")
    lines: dict[str, Sequence[float]] = {"trial": values, "best so far": bests}
    return draw_chart(Chart(f"{metric} by trial", "trials so far", metric, lines))


def _value(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.4g}"
    return " ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)
