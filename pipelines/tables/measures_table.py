"""The numbers that checks rest on, of each checked version of each table: their history.

Numbers of kind ``sum`` of two partitions add up to those of both, of kind ``greatest`` the greater
stands for both; those of kind ``whole`` hold for this version only.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

import pyarrow as pa

from pipelines.layout import Layout
from pipelines.tables.ledger_table import table_name, written_by
from pipelines.tables.records import read_records
from pipelines.tables.version import TableVersion
from pipelines.tables.write_records import BLOCK, append_once

SCHEMA = pa.schema(
    [
        ("recorded_at", pa.timestamp("us", "UTC")),
        ("block", pa.int64()),
        ("table", pa.string()),
        ("version", pa.int64()),
        ("commit", pa.string()),
        ("passed", pa.bool_()),
        ("name", pa.string()),
        ("kind", pa.string()),
        ("value", pa.float64()),
    ]
)
_WHOLE = (
    "unique(",
    "considered by unique(",
    "distinct_count(",
    "quantile(",
    "in_table(",
    "increasing(",
    "no_gaps(",
)


@dataclass(frozen=True, slots=True)
class Past:
    """A checked version of a table: whether it passed, and its numbers by name."""

    version: int
    passed: bool
    numbers: dict[str, float | None]


def keep_numbers(
    layout: Layout, table: TableVersion, numbers: Mapping[str, float | None], *, passed: bool
) -> None:
    """Keep the numbers of one checked version; of the same check twice, once."""
    made_at = datetime.now(UTC)
    shared = {
        "recorded_at": made_at,
        "block": table.version // BLOCK,
        "table": table_name(table),
        "version": table.version,
        "commit": written_by(table),
        "passed": passed,
    }
    rows = [
        {**shared, "name": name, "kind": _kind(name), "value": value}
        for name, value in sorted(numbers.items())
    ]
    name = f"{table_name(table)}@{shared['commit']}-{passed}"
    append_once(layout.measures, rows, SCHEMA, name, ("block",))


def last_versions(
    layout: Layout, table: TableVersion, num_passed: int, num_shown: int
) -> list[Past]:
    """Give the last checked versions before this one, oldest first.

    Read back from the newest, in windows of versions that grow: files of older ones stay closed.

    Args:
        layout: Where the data set lives.
        table: The version before which to look.
        num_passed: How many must have passed, as far as there are any.
        num_shown: How many there must be in all, the same.
    """
    found: dict[int, Past] = {}
    high, span = table.version, max(num_passed, num_shown)
    while high > 0 and span and not _is_enough(found, num_passed, num_shown):
        low = max(0, high - span)
        found |= _read_versions(layout, table, low, high)
        high, span = low, 2 * span
    return [found[version] for version in sorted(found)]


def _is_enough(found: Mapping[int, Past], num_passed: int, num_shown: int) -> bool:
    return len(found) >= num_shown and sum(past.passed for past in found.values()) >= num_passed


def _read_versions(layout: Layout, table: TableVersion, low: int, high: int) -> dict[int, Past]:
    where = [("table", "=", table_name(table)), ("version", ">=", low), ("version", "<", high)]
    names = ("version", "recorded_at", "passed", "name", "value")
    found: dict[int, Past] = {}
    # a version that was checked again: the later numbers and the later verdict stand
    for row in sorted(
        read_records(layout.measures, where, names), key=lambda row: row["recorded_at"]
    ):
        known = found.get(row["version"])
        numbers = known.numbers if known else {}
        numbers[row["name"]] = row["value"]
        found[row["version"]] = Past(row["version"], row["passed"], numbers)
    return found


def numbers_of(layout: Layout, table: TableVersion) -> dict[str, float | None]:
    """Give the numbers of one version, whether it passed or not; none if it was not checked."""
    where = [("table", "=", table_name(table)), ("version", "=", table.version)]
    # another table may have been at the same path
    where.append(("commit", "=", written_by(table)))
    rows = read_records(layout.measures, where, ("recorded_at", "name", "value"))
    return {row["name"]: row["value"] for row in sorted(rows, key=lambda row: row["recorded_at"])}


def _kind(name: str) -> str:
    if name.startswith("newest("):
        return "greatest"
    return "whole" if name.startswith(_WHOLE) else "sum"
