"""Bars of what something adds or takes, orange and blue, with the number beside them in the table.

Orange adds, blue takes: told apart by colour-blind readers (Okabe and Ito).
"""

from dataclasses import dataclass

from markupsafe import Markup

ADDS, TAKES = "#D55E00", "#0072B2"


@dataclass(frozen=True, slots=True)
class Scale:
    """From the least to the greatest value of all bars of a table; 0 lies within."""

    low: float
    high: float

    def place(self, value: float) -> float:
        """Give where a value lies, 0 to 100; values beyond the ends lie at them."""
        span = self.high - self.low
        share = (value - self.low) / span if span > 0 else 0.0
        return 100 * min(max(share, 0.0), 1.0)


def scale_of(values: list[float]) -> Scale:
    """Give the scale that holds ``values`` and 0."""
    return Scale(min([0.0, *values]), max([0.0, *values]))


def draw_effect(
    scale: Scale, value: float, ends: tuple[float, float] | None = None, label: str = ""
) -> Markup:
    """Draw a bar from 0 to ``value``, and a line over its interval."""
    zero, end = scale.place(0), scale.place(value)
    colour = ADDS if value >= 0 else TAKES
    parts = [
        Markup('<rect x="{:.2f}" y="1.5" width="{:.2f}" height="7" fill="{}"/>').format(
            min(zero, end), abs(end - zero), colour
        ),
        Markup('<rect x="{:.2f}" y="0" width="0.4" height="10" fill="#888"/>').format(zero),
    ]
    if ends:
        low, high = map(scale.place, ends)
        parts.append(
            Markup('<rect x="{:.2f}" y="4.4" width="{:.2f}" height="1.2" fill="#333"/>').format(
                low, max(high - low, 0.3)
            )
        )
    opening = Markup(
        '<svg class="bar" viewBox="0 0 100 10" preserveAspectRatio="none" role="img" '
        'aria-label="{}">'
    ).format(label or f"{value:+.4g}")
    return opening + Markup().join(parts) + Markup("</svg>")
