"""Rows by fate of each stage, as a table and as bars."""

from dataclasses import dataclass

from markupsafe import Markup, escape

from pipelines.reporting.run_record import Run
from pipelines.step import Fates

# Okabe and Ito: told apart by colour-blind readers
FATES = (
    ("kept", "#0072B2"),
    ("duplicate", "#E69F00"),
    ("quarantined", "#D55E00"),
    ("filtered", "#999999"),
)
_MIN_PERCENT = 1.2


@dataclass(frozen=True, slots=True)
class Reason:
    """Rows of one fate for one reason."""

    fate: str
    name: str
    rows: int


@dataclass(frozen=True, slots=True)
class RowStage:
    """One source in one step."""

    step: str
    source: str
    fates: Fates
    counts: dict[str, int]
    reasons: tuple[Reason, ...]
    bar: Markup


def row_stages(run: Run) -> list[RowStage]:
    """Give each step's rows by source, in the order of the run."""
    return [
        _stage(result.step, source, fates)
        for result in run.ordered
        for source, fates in result.rows.items()
    ]


def draw_bar(label: str, counts: dict[str, int]) -> Markup:
    """Draw shares as one stacked bar; a fate with any row at all is wide enough to be seen."""
    total = sum(counts.values())
    shares = {fate: max(100 * rows / total, _MIN_PERCENT) for fate, rows in counts.items() if rows}
    scale = 100 / sum(shares.values()) if shares else 1
    colours, start, parts = dict(FATES), 0.0, [Markup()]
    for fate, share in shares.items():
        width = share * scale
        title = Markup("<title>{}: {:,} rows</title>").format(fate, counts[fate])
        parts.append(
            Markup('<rect x="{:.2f}" width="{:.2f}" height="10" fill="{}">{}</rect>').format(
                start, width, colours[fate], title
            )
        )
        start += width
    opening = Markup(
        '<svg class="bar" viewBox="0 0 100 10" preserveAspectRatio="none" role="img" '
        'aria-label="{}">'
    ).format(escape(label))
    return opening + Markup().join(parts) + Markup("</svg>")


def _stage(step: str, source: str, fates: Fates) -> RowStage:
    counts = {
        "kept": fates.kept,
        "duplicate": fates.duplicate,
        "quarantined": sum(fates.quarantined.values()),
        "filtered": sum(fates.filtered.values()),
    }
    reasons = [Reason("quarantined", name, rows) for name, rows in fates.quarantined.items()]
    reasons += [Reason("filtered", name, rows) for name, rows in fates.filtered.items()]
    said = ", ".join(f"{fate} {rows:,}" for fate, rows in counts.items() if rows)
    bar = draw_bar(f"{step} {source}: {said or 'no rows'}", counts)
    return RowStage(step, source, fates, counts, tuple(reasons), bar)
