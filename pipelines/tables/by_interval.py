"""What became of a table that is written by interval since a version of it.

Each commit carries the name of the step's execution that made it; the step's record says which
interval it wrote. A commit without such a record may have changed any row.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

from pipelines.layout import Layout
from pipelines.step import StepResult, read_record
from pipelines.storage.place import place
from pipelines.tables.commits import content_version, maker_of, versions
from pipelines.tables.measures_table import numbers_of
from pipelines.tables.version import TableVersion, parse_version
from schemas.interval import Span, read_span

INTERVAL, BY_INTERVAL = "interval", "by_interval"
_MAX_VERSIONS = 100


def span_written(record: StepResult, table: TableVersion) -> Span | None:
    """Give the interval of a table that a step has replaced; None if it wrote the table whole."""
    if table.name not in record.details.get(BY_INTERVAL, ()):
        return None
    return read_span(record.details[INTERVAL])


def is_current(layout: Layout, result: StepResult) -> bool:
    """Say whether what a step wrote by interval is what the last versions of its tables hold."""
    for table in map(parse_version, result.tables):
        span = span_written(result, table)
        later = [number for number in versions(table.path) if number > table.version]
        others = _spans(layout, table, later) if span else []
        if span and not all(other is not None and span.is_apart(other) for other in others):
            return False
    return True


def since_checked(
    layout: Layout, table: TableVersion
) -> tuple[Mapping[str, float | None], tuple[Span, ...]] | None:
    """Give the numbers of the last checked version before, and the intervals written since.

    None if there is no such version among the last hundred, or more than intervals may differ.
    """
    changed: list[Span] = []
    number = table.version
    known = {*versions(table.path)}
    while number - 1 in known and table.version - number < _MAX_VERSIONS:
        if content_version(table.path, number) == number:
            (span,) = _spans(layout, table, [number])
            if span is None:
                return None
            changed.append(span)
        number -= 1
        numbers = numbers_of(layout, TableVersion(table.path, number))
        if numbers:
            return numbers, tuple(changed)
    return None


def _spans(layout: Layout, table: TableVersion, numbers: Sequence[int]) -> list[Span | None]:
    """Interval that each commit wrote, upkeep left out; None for any other."""
    found: list[Span | None] = []
    for number in numbers:
        if content_version(table.path, number) == number:
            path = layout.steps / f"ingest-{maker_of(table.path, number)}.json"
            record = read_record(path) if path.exists() else None
            found.append(span_written(record, table) if record else None)
    return found


def record_of(layout: Layout, table: TableVersion, commit: str) -> StepResult | None:
    """Give the record of the step that wrote a version; None if no step of ours did."""
    wanted = (place(table.path).absolute(), table.version)
    for path in layout.steps.glob(f"*-{commit}.json") if commit else ():
        record = read_record(path)
        if wanted in [_place(text) for text in record.tables]:
            return record
    return None


def _place(text: str) -> tuple[Path, int]:
    path, _, version = text.rpartition("@v")
    return place(path).absolute(), int(version)
