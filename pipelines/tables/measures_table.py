"""The numbers that checks rest on, of each checked version of each table: their history.

Numbers of kind ``sum`` of two partitions add up to those of both, of kind ``greatest`` the greater
stands for both; those of kind ``whole`` hold for this version only.
"""

from collections.abc import Mapping
from datetime import UTC, datetime

import pyarrow as pa

from pipelines.layout import Layout
from pipelines.tables.ledger_table import table_name, written_by
from pipelines.tables.records import append_once, read_records
from pipelines.tables.version import TableVersion

SCHEMA = pa.schema(
    [
        ("recorded_at", pa.timestamp("us", "UTC")),
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
)


def keep_numbers(
    layout: Layout, table: TableVersion, numbers: Mapping[str, float | None], *, passed: bool
) -> None:
    """Keep the numbers of one checked version; of the same check twice, once."""
    made_at = datetime.now(UTC)
    shared = {
        "recorded_at": made_at,
        "table": table_name(table),
        "version": table.version,
        "commit": written_by(table),
        "passed": passed,
    }
    rows = [
        {**shared, "name": name, "kind": _kind(name), "value": value}
        for name, value in sorted(numbers.items())
    ]
    append_once(layout.measures, rows, SCHEMA, f"{table_name(table)}@{shared['commit']}-{passed}")


def last_numbers(layout: Layout, table: TableVersion, count: int) -> list[dict[str, float | None]]:
    """Give the numbers of the last ``count`` versions before this one that passed, oldest first."""
    if not count:
        return []
    where = [("table", "=", table_name(table)), ("version", "<", table.version)]
    rows = read_records(
        layout.measures, where, ("version", "recorded_at", "passed", "name", "value")
    )
    found: dict[int, dict[str, float | None]] = {}
    for row in sorted(rows, key=lambda row: row["recorded_at"]):
        if row["passed"]:
            found.setdefault(row["version"], {})[row["name"]] = row["value"]
    return [found[version] for version in sorted(found)[-count:]]


def numbers_of(layout: Layout, table: TableVersion) -> dict[str, float | None]:
    """Give the numbers of one version, whether it passed or not; none if it was not checked."""
    where = [("table", "=", table_name(table)), ("version", "=", table.version)]
    rows = read_records(layout.measures, where, ("recorded_at", "name", "value"))
    return {row["name"]: row["value"] for row in sorted(rows, key=lambda row: row["recorded_at"])}


def _kind(name: str) -> str:
    if name.startswith("newest("):
        return "greatest"
    return "whole" if name.startswith(_WHOLE) else "sum"
