"""Row filters, pushed down: row groups that can't match are not read, the others are masked.

A filter is decided for a whole row group from the least and greatest value in its footer where
that suffices, and row by row elsewhere. A null matches no filter, as in SQL.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from pipelines.errors import ParameterError

_PATTERN = re.compile(r"^\s*(\w+)\s*(<=|>=|!=|<|>|=)\s*(.+?)\s*$")
# names of the functions of pyarrow.compute
_COMPUTE = {
    "<": "less",
    "<=": "less_equal",
    ">": "greater",
    ">=": "greater_equal",
    "=": "equal",
    "!=": "not_equal",
}
_OPPOSITES = {"<": ">=", "<=": ">", ">": "<=", ">=": "<", "=": "!="}


@dataclass(frozen=True, slots=True)
class RowFilter:
    """Keeps the rows whose ``column`` compares with ``value`` as ``sign`` says.

    ``value`` is text; it is read as the column's own type.
    """

    column: str
    sign: str
    value: str

    def __str__(self) -> str:
        return f"{self.column} {self.sign} {self.value}"


def parse_filter(text: str) -> RowFilter:
    """Read a filter like ``distance >= 500`` or ``flight_date < 2013-06-01``.

    Raises:
        ParameterError: It is not a column, a sign (<, <=, >, >=, =, !=) and a value.
    """
    if not (found := _PATTERN.match(text)):
        raise ParameterError(
            f"expected a filter like 'distance >= 500', with one of {' '.join(_COMPUTE)}; got "
            f"{text!r}"
        )
    return RowFilter(found[1], found[2], found[3])


def check_filters(filters: Sequence[RowFilter], schema: pa.Schema, table: str) -> None:
    """Refuse filters that the columns of ``schema`` can't answer.

    Raises:
        ParameterError: A column is not there, or a value is not of its type.
    """
    for wanted in filters:
        if wanted.column not in schema.names:
            raise ParameterError(
                f"{table}: filter {str(wanted)!r}: expected one of the columns "
                f"{sorted(schema.names)}; got {wanted.column!r}"
            )
        kind = schema.field(wanted.column).type
        try:
            _value(wanted, kind)
        except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
            raise ParameterError(
                f"{table}: filter {str(wanted)!r}: expected a value of type {kind}; got "
                f"{wanted.value!r} ({error})"
            ) from error


def decide(wanted: RowFilter, kind: pa.DataType, chunk: pq.ColumnChunkMetaData) -> bool | None:
    """Say whether all rows of a column chunk match, or none; None: the rows must be looked at."""
    statistics = chunk.statistics
    is_ordered = pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_date(kind)
    # texts are left out: their bounds may be cut
    if not is_ordered or statistics is None or not statistics.has_min_max:
        return None
    low, high, value = statistics.min, statistics.max, _value(wanted, kind).as_py()
    # bounds leave out nulls, which never match, and NaN, which matches != only
    opposite = _OPPOSITES.get(wanted.sign)
    if opposite and _do_all_match(opposite, low, high, value):
        return False
    is_whole = statistics.has_null_count and not statistics.null_count
    if is_whole and not pa.types.is_floating(kind) and _do_all_match(wanted.sign, low, high, value):
        return True
    return None


def mask(filters: Sequence[RowFilter], table: pa.Table) -> NDArray[np.bool_]:
    """Say of each row whether it matches every filter, (rows,)."""
    kept = np.ones(table.num_rows, bool)
    for wanted in filters:
        column = table.column(wanted.column)
        matches = pc.call_function(_COMPUTE[wanted.sign], [column, _value(wanted, column.type)])
        kept &= pc.fill_null(matches, False).to_numpy()
    return kept


def _do_all_match(sign: str, low: Any, high: Any, value: Any) -> bool:
    """Say whether all values from ``low`` to ``high`` compare with ``value`` as ``sign`` says."""
    answers = {
        "<": high < value,
        "<=": high <= value,
        ">": low > value,
        ">=": low >= value,
        "=": low == high == value,
        "!=": value < low or high < value,
    }
    return answers[sign]


def _value(wanted: RowFilter, kind: pa.DataType) -> pa.Scalar:
    return pa.scalar(wanted.value).cast(kind)
