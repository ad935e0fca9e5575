"""Line charts as inline SVG: text stays sharp and selectable, nothing is fetched."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from markupsafe import Markup

_WIDTH, _HEIGHT = 460, 260
_LEFT, _RIGHT, _TOP, _BOTTOM = 58, 14, 34, 42
_STYLES = (("#0072B2", ""), ("#D55E00", "6 3"), ("#009E73", "2 3"), ("#7A7A7A", "8 3 2 3"))
_NUM_TICKS = 5
_Place: TypeAlias = Callable[[float, float], tuple[float, float]]


@dataclass(frozen=True, slots=True)
class Chart:
    """What to draw: y values of each line at x = 1, 2, ...; ``mark`` is an x to point out."""

    title: str
    x_label: str
    y_label: str
    lines: dict[str, Sequence[float]]
    mark: int = 0
    mark_label: str = ""


def draw_chart(chart: Chart) -> Markup:
    """Draw ``chart``; values that are not finite are left out."""
    values = [value for line in chart.lines.values() for value in line if math.isfinite(value)]
    length = max((len(line) for line in chart.lines.values()), default=0)
    if not values:
        return Markup()
    ticks = make_ticks(min(values), max(values))
    low, high = ticks[0], ticks[-1]

    def place(x: float, y: float) -> tuple[float, float]:
        across = (x - 1) / max(length - 1, 1)
        up = (y - low) / (high - low)
        inner_width, inner_height = _WIDTH - _LEFT - _RIGHT, _HEIGHT - _TOP - _BOTTOM
        return _LEFT + across * inner_width, _TOP + (1 - up) * inner_height

    parts = [Markup('<text x="{}" y="14" class="title">{}</text>').format(_LEFT, chart.title)]
    for tick in ticks:
        _, y = place(1, tick)
        parts.append(_line((_LEFT, y), (_WIDTH - _RIGHT, y), "grid"))
        parts.append(_text((_LEFT - 6, y + 4), f"{tick:g}", "end"))
    for epoch in _whole_ticks(length):
        x, bottom = place(epoch, low)
        parts.append(_text((x, bottom + 16), f"{epoch}", "middle"))
    if chart.mark:
        x, bottom = place(chart.mark, low)
        parts.append(_line((x, _TOP), (x, bottom), "mark"))
        side = "end" if chart.mark > length / 2 else "start"
        parts.append(_text((x + (-4 if side == "end" else 4), _TOP + 10), chart.mark_label, side))
    parts += _draw_lines(chart, place)
    middle = (_LEFT + _WIDTH - _RIGHT) / 2
    parts.append(_text((middle, _HEIGHT - 6), chart.x_label, "middle"))
    opening = Markup('<svg class="chart" viewBox="0 0 {} {}" role="img" aria-label="{}">').format(
        _WIDTH, _HEIGHT, f"{chart.title}: {chart.y_label} by {chart.x_label}"
    )
    return opening + Markup().join(parts) + Markup("</svg>")


def make_ticks(low: float, high: float) -> list[float]:
    """Give about five round values that enclose ``low`` and ``high``.

    >>> make_ticks(0.52, 0.71)
    [0.5, 0.55, 0.6, 0.65, 0.7, 0.75]
    """
    span = high - low if high > low else max(abs(high), 1.0) * 0.1
    raw = span / (_NUM_TICKS - 1)
    power = 10.0 ** math.floor(math.log10(raw))
    step = next(size * power for size in (1, 2, 2.5, 5, 10) if size * power >= raw * 0.999)
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    last = max(last, first + 1)
    return [round(number * step, 12) for number in range(first, last + 1)]


def _draw_lines(chart: Chart, place: _Place) -> list[Markup]:
    parts: list[Markup] = []
    legend = float(_LEFT)
    styles = zip(chart.lines.items(), _STYLES, strict=False)
    for (name, line), (colour, dashes) in styles:
        points = [
            "{:.1f},{:.1f}".format(*place(x, y))
            for x, y in enumerate(line, start=1)
            if math.isfinite(y)
        ]
        style = Markup('fill="none" stroke="{}" stroke-width="2" stroke-dasharray="{}"').format(
            colour, dashes
        )
        parts.append(Markup('<polyline points="{}" {}/>').format(" ".join(points), style))
        parts.append(
            Markup('<line x1="{}" x2="{}" y1="25" y2="25" {}/>').format(legend, legend + 22, style)
        )
        parts.append(_text((legend + 27, 29), name, "start"))
        legend += 48 + 7 * len(name)
    return parts


def _whole_ticks(length: int) -> list[int]:
    step = max(1, math.ceil(length / 10))
    return list(range(1, length + 1, step))


def _line(start: tuple[float, float], end: tuple[float, float], kind: str) -> Markup:
    return Markup('<line x1="{:.1f}" y1="{:.1f}" x2="{:.1f}" y2="{:.1f}" class="{}"/>').format(
        *start, *end, kind
    )


def _text(at: tuple[float, float], words: str, anchor: str) -> Markup:
    return Markup('<text x="{:.1f}" y="{:.1f}" text-anchor="{}">{}</text>').format(
        *at, anchor, words
    )
