"""Small lines without axes: how one number went over the last versions."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

_WIDTH, _HEIGHT, _MARGIN = 150.0, 32.0, 4.0
_BAR = 8.0


@dataclass(frozen=True, slots=True)
class Line:
    """Values, oldest first (None: not known), the bounds that the last one is held to, a status."""

    values: Sequence[float | None]
    minimum: float | None = None
    maximum: float | None = None
    status: str = "good"


@dataclass(frozen=True, slots=True)
class Bar:
    """One bar: its height, what it says, where it leads, and its status."""

    height: float
    label: str
    link: str
    status: str


def draw_line(line: Line) -> Markup:
    """Draw ``line``; empty with fewer than two values. A bound that is far off is left out."""
    known = [(x, y) for x, y in enumerate(line.values) if y is not None and math.isfinite(y)]
    if len(known) < 2:  # noqa: PLR2004  a single point has no history
        return Markup()
    least, greatest = min(y for _, y in known), max(y for _, y in known)
    reach = greatest - least or abs(greatest) or 1.0
    bounds = [
        bound
        for bound in (line.minimum, line.maximum)
        if bound is not None and least - reach <= bound <= greatest + reach
    ]
    low, high = min(least, *bounds, least), max(greatest, *bounds, greatest)

    def place(x: float, y: float) -> tuple[float, float]:
        across = x / max(len(line.values) - 1, 1)
        up = (y - low) / (high - low) if high > low else 0.5
        inner = _HEIGHT - 2 * _MARGIN
        return _MARGIN + across * (_WIDTH - 2 * _MARGIN), _MARGIN + (1 - up) * inner

    points = " ".join("{:.1f},{:.1f}".format(*place(x, y)) for x, y in known)
    last = place(*known[-1])
    parts = [
        Markup('<line class="bound" x1="0" x2="{:.0f}" y1="{:.1f}" y2="{:.1f}"/>').format(
            _WIDTH, place(0, bound)[1], place(0, bound)[1]
        )
        for bound in bounds
    ]
    parts.append(Markup('<polyline points="{}"/>').format(points))
    parts.append(Markup('<circle cx="{:.1f}" cy="{:.1f}" r="3"/>').format(*last))
    said = (
        f"{len(known)} versions, {say_number(least)} to {say_number(greatest)}, "
        f"now {say_number(known[-1][1])}"
    )
    return _svg(f"spark {line.status}", (_WIDTH, _HEIGHT), said, parts)


def draw_bars(bars: Sequence[Bar]) -> Markup:
    """Draw one bar for each run, oldest first, each a link; the highest is as high as there is."""
    if not bars:
        return Markup()
    greatest = max(bar.height for bar in bars) or 1.0
    parts: list[Markup] = []
    for place, bar in enumerate(bars):
        height = 3 + (_HEIGHT - 3) * bar.height / greatest
        parts.append(
            Markup(
                '<a href="{}"><rect class="{}" x="{:.1f}" y="{:.1f}" width="{:.1f}" '
                'height="{:.1f}"><title>{}</title></rect></a>'
            ).format(
                bar.link, bar.status, place * _BAR, _HEIGHT - height, _BAR - 2, height, bar.label
            )
        )
    width = max(len(bars), 30) * _BAR
    return _svg("bars", (width, _HEIGHT), f"failed checks of {len(bars)} runs", parts)


def say_number(value: float) -> str:
    """Give a number as people read it.

    >>> say_number(336776.0), say_number(0.12345), say_number(1e15)
    ('336,776', '0.1235', '1e+15')
    """
    if value == int(value) and abs(value) < 1e12:  # noqa: PLR2004
        return f"{int(value):,}"
    return f"{value:.4g}"


def _svg(kind: str, size: tuple[float, float], said: str, parts: Sequence[Markup]) -> Markup:
    opening = Markup(
        '<svg class="{}" viewBox="0 0 {:.0f} {:.0f}" role="img" aria-label="{}"><title>{}</title>'
    ).format(kind, *size, said, said)
    return opening + Markup().join(parts) + Markup("</svg>")
