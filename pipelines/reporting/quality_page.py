"""Fill the templates of a run's checks and of the index; both hold all they show."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from pipelines.reporting.headline import BAD, WARN
from pipelines.reporting.quality_view import Group, Record, TableView, find_groups, view_tables
from pipelines.reporting.sparkline import Bar, draw_bars, say_number
from pipelines.reporting.templates import open_template

_NUM_BARS = 100
_NUM_UNFOLDED = 30
_SMALL = 0.0005


@dataclass(frozen=True, slots=True)
class PageFacts:
    """Title of the data set, and what leads from the page to the Data Docs and the index."""

    title: str
    docs: str
    index: str


def render_run(run: str, records: Sequence[Record], facts: PageFacts) -> str:
    """Give the page of one run: what failed first, then what passed."""
    groups, tables = find_groups(records, facts.docs), view_tables(records, facts.docs)
    status = _worst(tables)
    return open_template("quality.html", **_filters()).render(
        run=run,
        facts=facts,
        status=status,
        heading=_heading(tables),
        verdict=_verdict(groups, tables),
        checked_at=max(record["checked_at"] for record in records),
        groups=groups,
        tables=tables,
        num_passed=sum(len(table.passed) for table in tables),
    )  # fmt: skip


def render_index(
    entries: Sequence[Mapping[str, Any]],
    facts: PageFacts,
    older: Sequence[str],
    drift: Sequence[Mapping[str, Any]],
) -> str:
    """Give a page of runs, newest first.

    Args:
        entries: A line for each run, oldest first.
        facts: Title and links.
        older: Pages of older runs, oldest first.
        drift: What pages of drift say, each with its ``link``.
    """
    lines = [_line(place, entries) for place in range(len(entries))]
    bars = [_bar(entry) for entry in entries[-_NUM_BARS:]]
    newest = list(reversed(lines))
    return open_template("quality_index.html", **_filters()).render(
        facts=facts,
        newest=newest[:_NUM_UNFOLDED],
        folded=newest[_NUM_UNFOLDED:],
        bars=draw_bars(bars),
        num_bars=len(bars),
        older=list(reversed(older)),
        num_older=len(older),
        drift=drift,
    )  # fmt: skip


def _filters() -> dict[str, Callable[..., Any]]:
    return {
        "number": say_number,
        "share": _say_share,
        "moment": _say_moment,
        "count": _count,
        "anchor": _anchor,
    }


def _anchor(words: str) -> str:
    return quote(words, safe="")


def _worst(tables: Sequence[TableView]) -> str:
    found = {table.status for table in tables}
    return BAD if BAD in found else WARN if WARN in found else "good"


def _heading(tables: Sequence[TableView]) -> str:
    errors, warnings = sum(t.errors for t in tables), sum(t.warnings for t in tables)
    if errors:
        return f"{_count(errors, 'check')} failed"
    return f"passed, with {_count(warnings, 'warning')}" if warnings else "all checks passed"


def _verdict(groups: Sequence[Group], tables: Sequence[TableView]) -> str:
    bad = [f"{table.name}@v{table.version}" for table in tables if table.status == BAD]
    if bad:
        return (
            f"{', '.join(bad)} must not be used: the gate is closed, and no later step reads "
            f"{'it' if len(bad) == 1 else 'them'}."
        )
    if groups:
        return "The tables may be used. What is worth a look comes first."
    return "The tables may be used; nothing needs a look."


def _line(place: int, entries: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    entry = entries[place]
    earlier = [item for item in entries[:place] if item["table"] == entry["table"] and item["rows"]]
    change = ""
    if earlier and entry["rows"] is not None:
        growth = entry["rows"] / earlier[-1]["rows"] - 1
        change = "as before" if abs(growth) < _SMALL else f"{growth:+.1%}"
    return {**entry, "link": _link(entry), "change": change}


def _bar(entry: Mapping[str, Any]) -> Bar:
    said = (
        f"{entry['run']}: {_count(entry['errors'], 'check')} failed, "
        f"{_count(entry['warnings'], 'warning')}"
    )
    return Bar(entry["errors"] + entry["warnings"], said, _link(entry), entry["verdict"])


def _link(entry: Mapping[str, Any]) -> str:
    return f"runs/{quote(entry['run'])}/index.html"


def _count(number: int, word: str) -> str:
    return f"{number:,} {word}{'' if number == 1 else 's'}"


def _say_share(share: float) -> str:
    """Give a share in percent, never rounded to none or all.

    >>> _say_share(0.5), _say_share(0.00001), _say_share(0.99999), _say_share(1)
    ('50 %', 'under 0.01 %', 'over 99.99 %', '100 %')
    """
    percent = 100 * share
    if 0 < percent < 0.01:  # noqa: PLR2004
        return "under 0.01 %"
    if 99.99 < percent < 100:  # noqa: PLR2004
        return "over 99.99 %"
    return f"{percent:.3g} %"


def _say_moment(moment: str) -> str:
    """Give an ISO moment of UTC to the minute.

    >>> _say_moment("2026-11-29T06:05:04+00:00")
    '2026-11-29 06:05 UTC'
    """
    return f"{moment[:16].replace('T', ' ')} UTC"
