"""What was measured as one picture: rows a second of each way, one panel for each table.

The ways are up to a thousand times apart, so the scale is logarithmic. There a bar's length would
mean nothing, so each way is a point.

Usage: python -m tests.benchmarks.loading.plot LOADING.json PICTURE.svg
"""

import json
import sys
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator

_TABLES = ("tabular", "small images", "large images")
_OURS, _LIMIT, _OTHER = "#1f6fb4", "#444444", "#9aa3ab"
_TEXT, _FAINT, _GRID = "#222222", "#777777", "#e4e7ea"
_WIDTH, _LINE, _GAP = 7.6, 0.24, 0.62  # inches: of the picture, of a way, between two panels
_TOP, _BOTTOM = 0.32, 0.28  # inches
_COLUMNS = (1.2, 1.45)  # of numbers right of the bars, in widths of a panel
_STYLE: Any = {
    "font.family": "sans-serif",
    "font.size": 9,
    "svg.fonttype": "path",  # looks alike where that font is not
    "svg.hashsalt": "loading",  # the same figures give the same file
}


def draw(measured: dict[str, Any], path: Path) -> None:
    """Draw the tables that were measured; a way that gave other rows is left out.

    Args:
        measured: What ``loading.json`` holds.
        path: Of the picture; its ending says which kind.
    """
    parts = {name: measured[name] for name in _TABLES if name in measured}
    heights = [_LINE * (len(_shown(part)) + 1) for part in parts.values()]
    height = _TOP + sum(heights) + _GAP * (len(parts) - 1) + _BOTTOM
    with plt.rc_context(_STYLE):
        figure, panels = plt.subplots(
            len(parts), 1, figsize=(_WIDTH, height), height_ratios=heights, squeeze=False
        )
        figure.subplots_adjust(
            left=0.28,
            right=0.755,
            top=1 - _TOP / height,
            bottom=_BOTTOM / height,
            hspace=_GAP * len(parts) / sum(heights),  # in mean heights of a panel
        )
        for panel, (name, part) in zip(panels[:, 0], parts.items(), strict=True):
            _draw_panel(panel, name, part)
        path.parent.mkdir(parents=True, exist_ok=True)
        figure.savefig(path, dpi=144, metadata={"Date": None} if path.suffix == ".svg" else None)
        plt.close(figure)


def _draw_panel(panel: Axes, name: str, part: dict[str, Any]) -> None:
    shown = _shown(part)
    speeds = [part["rows"] / one["seconds"] for one in shown]
    (limit,) = (speed for one, speed in zip(shown, speeds, strict=True) if _is_limit(one, part))
    places = range(len(shown))
    panel.hlines(places, 0, 1, _GRID, linewidth=0.8, transform=panel.get_yaxis_transform())
    panel.scatter(speeds, places, s=64, c=[_colour(one, part) for one in shown], zorder=3)
    panel.set_xscale("log")
    panel.set_xlim(min(speeds) / 1.5, max(speeds) * 1.5)
    panel.vlines(limit, -0.5, len(shown) - 0.5, _LIMIT, linewidth=0.8, linestyle=(0, (4, 3)))
    beside = panel.get_yaxis_transform()
    said = [(_rounded(speed), _share(speed / limit)) for speed in speeds]
    for place, texts in enumerate([(part["unit"] + "/s", "of the limit"), *said], start=-1):
        for at, text in zip(_COLUMNS, texts, strict=True):
            colour = _FAINT if place < 0 else _TEXT
            panel.text(
                at, place, text, transform=beside, ha="right", va="center_baseline", color=colour
            )
    panel.set_yticks(places, [one["way"] for one in shown])
    for label, one in zip(panel.get_yticklabels(), shown, strict=True):
        label.set_fontweight("bold" if _is_ours(one) else "normal")
    panel.set_ylim(len(shown) - 0.5, -1.5)
    panel.set_title(_title(name, part), loc="left", fontsize=10, color=_TEXT)
    panel.tick_params(length=0, colors=_TEXT)
    is_wide = max(speeds) > 20 * min(speeds)
    panel.xaxis.set_major_locator(LogLocator(subs=(1.0,) if is_wide else (1.0, 2.0, 5.0)))
    panel.xaxis.set_minor_locator(NullLocator())
    panel.xaxis.set_major_formatter(FuncFormatter(lambda speed, _: f"{speed:,.0f}"))
    panel.tick_params(axis="x", colors=_FAINT, labelsize=7.5)
    panel.grid(axis="x", color=_GRID, linewidth=0.8)
    panel.set_axisbelow(True)
    panel.spines[:].set_visible(False)


def _shown(part: dict[str, Any]) -> list[dict[str, Any]]:
    return sorted((one for one in part["results"] if one["same"]), key=lambda one: one["seconds"])


def _is_limit(one: dict[str, Any], part: dict[str, Any]) -> bool:
    return one["way"] == part["limit"]


def _is_ours(one: dict[str, Any]) -> bool:
    return one["way"].startswith("Gristmill")


def _colour(one: dict[str, Any], part: dict[str, Any]) -> str:
    if _is_limit(one, part):
        return _LIMIT
    return _OURS if _is_ours(one) else _OTHER


def _title(name: str, part: dict[str, Any]) -> str:
    if name == "tabular":
        return f"{part['rows']:,} rows of {part['columns']} columns: rows/s, log scale"
    size = f"{part['width']} x {part['height']}"
    return f"{part['rows']:,} JPEGs of {size}: images/s, log scale"


def _rounded(speed: float) -> str:
    """Give three digits of a number.

    >>> _rounded(5483959.0)
    '5,480,000'
    """
    return f"{round(speed, 3 - len(str(int(speed)))):,.0f}"


def _share(share: float) -> str:
    return f"{share:.2f}" if share >= 0.095 else f"{share:.1g}"


if __name__ == "__main__":
    draw(json.loads(Path(sys.argv[1]).read_text()), Path(sys.argv[2]))
