"""The 30 checks that are measured, and the table they are asked of."""

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from schemas.contract import Check, Column, TableSpec

_CITIES = ("Oslo", "Rome", "Bonn", "Bern", "Wien")
_NUMBERS = tuple(f"x{number}" for number in range(8))
COLUMNS = (
    Column("ride_id", "long"),
    Column("seats", "int"),
    Column("city", "string"),
    Column("code", "string"),
    *(Column(name, "double", is_nullable=True) for name in _NUMBERS),
)
CHECKS = (
    Check("row_count", minimum=2),
    *(Check("not_null", (column.name,)) for column in COLUMNS[:4]),
    *(Check("not_null", (name,), mostly=0.9) for name in _NUMBERS[:4]),
    *(Check("between", (name,), minimum=0, maximum=1) for name in _NUMBERS),
    Check("between", ("seats",), minimum=1, maximum=9),
    Check("in_set", ("city",), values=_CITIES),
    Check("in_set", ("seats",), values=tuple(range(1, 10))),
    Check("matches", ("city",), pattern="^[A-Z][a-z]+$"),
    Check("matches", ("code",), pattern="^[0-9a-f]{8}$"),
    Check("length", ("code",), minimum=8, maximum=8),
    Check("length", ("city",), minimum=4, maximum=4),
    Check("sum", ("seats",), minimum=1),
    Check("mean", ("x0",), minimum=0.4, maximum=0.6),
    Check("mean", ("x1",), minimum=0.4, maximum=0.6),
    Check("at_most", ("seats", "ride_id"), mostly=0.9),
    Check("unique", ("ride_id",)),
    Check("distinct_count", ("city",), minimum=5, maximum=5),
)
SPEC = TableSpec("rides", "raw", "rides", COLUMNS, ("ride_id",), CHECKS)


def make_rows(spark: SparkSession, num_rows: int) -> DataFrame:
    """Rows that pass all checks, from a hash of their number: the same in each run."""
    names = F.array(*[F.lit(city) for city in _CITIES])
    draws = [F.pmod(F.xxhash64("id", F.lit(i)), F.lit(1_000_003)) / 1_000_003 for i in range(8)]
    numbers = [
        F.when(F.pmod(F.xxhash64(F.lit(-i), "id"), F.lit(50)) != 0, draw).alias(name)
        for i, (name, draw) in enumerate(zip(_NUMBERS, draws, strict=True))
    ]
    return spark.range(num_rows).select(
        (F.col("id") + 10).alias("ride_id"),
        (F.pmod(F.hash("id"), F.lit(9)) + 1).cast("int").alias("seats"),
        F.element_at(names, (F.pmod(F.col("id"), F.lit(5)) + 1).cast("int")).alias("city"),
        F.lower(F.lpad(F.hex(F.pmod(F.xxhash64("id"), F.lit(2**32))), 8, "0")).alias("code"),
        *numbers,
    )
