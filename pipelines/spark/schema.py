"""A contract's columns as Spark types."""

from collections.abc import Sequence

from pyspark.sql import types as t

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
}


def struct_type(columns: Sequence[Column]) -> t.StructType:
    """Give the Spark schema of ``columns``, in their order."""
    return t.StructType(
        [t.StructField(column.name, _TYPES[column.type], column.is_nullable) for column in columns]
    )


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
