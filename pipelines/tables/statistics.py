"""Statistics that Parquet keeps in the footer of each file, added up over what one commit wrote.

Parquet format, "Statistics": nulls, least and greatest value of each column of a row group. Spark's
writer makes them of the rows it writes. They are read from a local disk only: elsewhere each footer
is a request or two.
"""

import math
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pyarrow.parquet as pq

from pipelines.spark.number import Statistics
from pipelines.tables.commits import commit_path, read_actions
from pipelines.tables.version import TableVersion


def read_statistics(table: TableVersion, columns: Collection[str]) -> Statistics:
    """Add up the statistics of ``columns`` over the files that one commit has added."""
    footers = [pq.read_metadata(path) for path in _added(table)]
    nulls: dict[str, int] = {}
    spans: dict[str, tuple[float, float] | None] = {}
    for name in columns:
        found = [statistics for footer in footers for statistics in _of_column(footer, name)]
        if all(item and item.has_null_count for item in found):
            nulls[name] = sum(item.null_count for item in found)
            filled = [item for item in found if item.num_values]
            if all(map(_has_span, filled)):
                lows, highs = [item.min for item in filled], [item.max for item in filled]
                # as floats of 8 bytes, as Spark compares a number with a bound
                spans[name] = (float(min(lows)), float(max(highs))) if filled else None
    return Statistics(sum(footer.num_rows for footer in footers), nulls, spans)


def _added(table: TableVersion) -> Iterator[Path]:
    for action in read_actions(commit_path(table.path, table.version)):
        if "add" in action:
            yield Path(table.path) / unquote(action["add"]["path"])


def _of_column(footer: pq.FileMetaData, name: str) -> Iterator[Any]:
    """Give a column's statistics in each row group; None where there are none."""
    paths = [footer.schema.column(place).path for place in range(footer.num_columns)]
    place = paths.index(name) if name in paths else None
    for group in range(footer.num_row_groups):
        yield None if place is None else footer.row_group(group).column(place).statistics


def _has_span(statistics: Any) -> bool:
    """Say whether both ends are finite numbers; where a value is NaN, they are not."""
    if not statistics.has_min_max:
        return False
    ends = (statistics.min, statistics.max)
    return all(type(end) in (int, float) and math.isfinite(end) for end in ends)
