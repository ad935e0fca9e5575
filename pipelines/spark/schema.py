"""A contract's columns as Spark types, and small frames of rows known to the driver."""

from collections.abc import Sequence
from typing import Any, cast

import pyarrow as pa
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import types as t
from pyspark.sql.pandas.types import to_arrow_schema

from schemas.contract import Column, ContractError

_TYPES: dict[str, t.DataType] = {
    "string": t.StringType(),
    "int": t.IntegerType(),
    "long": t.LongType(),
    "float": t.FloatType(),
    "double": t.DoubleType(),
    "boolean": t.BooleanType(),
    "timestamp": t.TimestampType(),
    "date": t.DateType(),
    "array<int>": t.ArrayType(t.IntegerType()),
    "binary": t.BinaryType(),
}


def struct_type(columns: Sequence[Column]) -> t.StructType:
    """Give the Spark schema of ``columns``, in their order."""
    return t.StructType(
        [t.StructField(column.name, _TYPES[column.type], column.is_nullable) for column in columns]
    )


def local_frame(spark: SparkSession, rows: Sequence[tuple[Any, ...]], ddl: str) -> DataFrame:
    """Give a frame of a few rows, e.g. a vocabulary to join with.

    Through Arrow: a list of tuples would go through Python workers whenever the frame is read.
    ``ddl`` names and types the columns, as in ``"word string, code int"``.
    """
    schema = to_arrow_schema(cast("t.StructType", t.StructType.fromDDL(ddl)))
    columns = zip(*rows, strict=True) if rows else [()] * len(schema)
    pairs = zip(columns, schema, strict=True)
    arrays = [pa.array(list(column), field.type) for column, field in pairs]
    return spark.createDataFrame(pa.Table.from_arrays(arrays, schema=schema))


def check_columns(actual: t.StructType, expected: Sequence[Column], table: str) -> None:
    """Hold a frame's columns to a contract: same names and types (nullability is a check's task).

    Raises:
        ContractError: A column is missing, extra or of another type; all are named at once.
    """
    came = {field.name: field.dataType.simpleString() for field in actual.fields}
    wanted = {column.name: _TYPES[column.type].simpleString() for column in expected}
    wrong = [f"missing {name} {kind}" for name, kind in wanted.items() if name not in came]
    wrong += [f"extra {name} {kind}" for name, kind in came.items() if name not in wanted]
    wrong += [
        f"{name} expected {kind}, got {came[name]}"
        for name, kind in wanted.items()
        if name in came and came[name] != kind
    ]
    if wrong:
        raise ContractError(f"{table}: columns differ from the contract: {'; '.join(wrong)}")
