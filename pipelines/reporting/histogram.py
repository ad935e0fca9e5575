"""Small histograms, a reference beside now, as inline SVG: nothing is fetched."""

from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

# Okabe and Ito: told apart by colour-blind readers, and by their form without colour
REFERENCE, NOW = "#9AA5B1", "#0072B2"
_WIDTH, _HEIGHT, _TOP, _BOTTOM = 460, 176, 18, 26
_LEFT, _LINE = 150, 22


@dataclass(frozen=True, slots=True)
class Slot:
    """One bucket: its name, and its share of the rows of both tables, from 0 to 1."""

    name: str
    reference: float
    now: float


def draw_columns(title: str, slots: Sequence[Slot], ticks: Sequence[str]) -> Markup:
    """Draw ordered buckets as upright bars; ``ticks`` name the first, middle and last one."""
    most = _most(slots)
    step = _WIDTH / max(len(slots), 1)
    parts: list[Markup] = []
    for place, slot in enumerate(slots):
        left = place * step + step * 0.08
        parts.append(_bar((left, slot.reference / most), step * 0.84, REFERENCE, _said(slot)))
        parts.append(_bar((left + step * 0.21, slot.now / most), step * 0.42, NOW, _said(slot)))
    floor = _HEIGHT - _BOTTOM
    parts.append(_text((0, _TOP - 2), f"{_percent(most)} of rows", "start"))
    parts.append(
        Markup('<line x1="0" x2="{}" y1="{}" y2="{}" class="grid"/>').format(_WIDTH, floor, floor)
    )
    anchors = ("start", "middle", "end")
    for place, (tick, anchor) in enumerate(zip(ticks, anchors, strict=False)):
        x = place * _WIDTH / 2
        parts.append(_text((x, _HEIGHT - 8), tick, anchor))
    return _frame(title, _HEIGHT, parts)


def draw_rows(title: str, slots: Sequence[Slot]) -> Markup:
    """Draw named categories as lying bars, one line each."""
    most, room = _most(slots), _WIDTH - _LEFT - 54
    parts: list[Markup] = []
    for place, slot in enumerate(slots):
        top = place * _LINE + 4
        parts.append(_text((_LEFT - 8, top + 12), _short(slot.name), "end"))
        for share, height, colour, shift in (
            (slot.reference, 14, REFERENCE, 0),
            (slot.now, 6, NOW, 4),
        ):
            parts.append(
                Markup('<rect x="{}" y="{}" width="{:.1f}" height="{}" fill="{}"/>').format(
                    _LEFT,
                    top + shift,
                    max(share / most * room, 0.5 if share else 0),
                    height,
                    colour,
                )
            )
        parts.append(_text((_WIDTH, top + 12), _percent(slot.now), "end"))
        parts.append(
            Markup('<rect x="0" y="{}" width="{}" height="{}" fill="transparent">'
                   "<title>{}</title></rect>").format(top - 2, _WIDTH, _LINE, _said(slot))
        )  # fmt: skip
    return _frame(title, len(slots) * _LINE + 10, parts)


def _bar(at: tuple[float, float], width: float, colour: str, said: str) -> Markup:
    left, share = at
    height = share * (_HEIGHT - _TOP - _BOTTOM)
    return Markup(
        '<rect x="{:.1f}" y="{:.1f}" width="{:.1f}" height="{:.1f}" fill="{}">'
        "<title>{}</title></rect>"
    ).format(left, _HEIGHT - _BOTTOM - height, width, height, colour, said)


def _frame(title: str, height: float, parts: Sequence[Markup]) -> Markup:
    opening = Markup('<svg class="chart" viewBox="0 0 {} {}" role="img" aria-label="{}">').format(
        _WIDTH, height, title
    )
    return opening + Markup().join(parts) + Markup("</svg>")


def _text(at: tuple[float, float], words: str, anchor: str) -> Markup:
    return Markup('<text x="{:.1f}" y="{:.1f}" text-anchor="{}">{}</text>').format(
        *at, anchor, words
    )


def _most(slots: Sequence[Slot]) -> float:
    return max((max(slot.reference, slot.now) for slot in slots), default=0.0) or 1.0


def _said(slot: Slot) -> str:
    return f"{slot.name}: {_percent(slot.reference)} before, {_percent(slot.now)} now"


def _percent(share: float) -> str:
    return f"{100 * share:.1f} %" if share >= 0.001 or not share else "< 0.1 %"  # noqa: PLR2004


def _short(name: str) -> str:
    return name if len(name) <= _MAX_NAME else f"{name[: _MAX_NAME - 1]}…"


_MAX_NAME = 18
