"""Keep the rows that simple conditions name; no text of a flag becomes SQL."""

import operator
from collections.abc import Callable, Iterable
from typing import Any

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from pipelines.errors import ParameterError

_COMPARE: dict[str, Callable[[Any, Any], Any]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
    "=": operator.eq,
    "!=": operator.ne,
}


def rows_where(
    rows: DataFrame, conditions: Iterable[tuple[str, str, str]], table: str
) -> DataFrame:
    """Keep the rows in which each column compares with its value as the sign says.

    A value is read as the column's own type; one that can't be is compared as null, so no row is
    kept. A null matches nothing, as in SQL.

    Args:
        rows: Of ``table``.
        conditions: Column, sign (<, <=, >, >=, =, !=) and value as text.
        table: What to name in an error.

    Raises:
        ParameterError: There is no such column.
    """
    for column, sign, value in conditions:
        if column not in rows.columns:
            raise ParameterError(
                f"{table}: condition {column} {sign} {value}: expected a column among "
                f"{rows.columns}"
            )
        wanted = F.lit(value).try_cast(rows.schema[column].dataType)
        rows = rows.where(_COMPARE[sign](F.col(column), wanted))
    return rows
