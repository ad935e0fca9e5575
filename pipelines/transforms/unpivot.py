"""Make a wide table long: one row for each sensor, not one column."""

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from schemas.contract import Source


def unpivot(df: DataFrame, source: Source) -> DataFrame:
    """Give each row as many times as the source has columns to unpivot, a value of each.

    Without ``source.unpivot`` rows are as they were. Nulls stay rows: each row of ``df`` gives
    ``source.rows_of_each``, whose other columns, lineage among them, are those of that row.
    """
    if source.unpivot is None:
        return df
    wide = {c.name: c.file_name for c in source.columns if c.name in source.unpivot.columns}
    others = [name for name in df.columns if name not in wide]
    value, kind = source.unpivot.value.name, source.unpivot.value.type
    named = [F.col(f"`{name}`").alias(header) for name, header in wide.items()]
    ids, values = (tuple(F.col(f"`{name}`") for name in part) for part in (others, wide.values()))
    long = df.select(*others, *named).unpivot(ids, values, source.unpivot.name.name, value)
    return long.withColumn(value, F.col(value).cast(_SQL_TYPES.get(kind, kind)))


_SQL_TYPES = {"long": "bigint"}
