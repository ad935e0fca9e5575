"""A row for each column, nulls among them, and nothing lost beside them."""

from pyspark.sql import SparkSession

from pipelines.transforms.unpivot import unpivot
from schemas.contract import Column, Source, Unpivot

SOURCE = Source(
    "speeds",
    "package:none/speeds.csv",
    (
        Column("day", "string"),
        Column("s7", "long", is_nullable=True, header="7"),
        Column("north", "long", is_nullable=True),
    ),
    primary_key=("day",),
    unpivot=Unpivot(
        ("s7", "north"), Column("sensor", "string"), Column("speed", "long", is_nullable=True)
    ),
)


def test_each_row_gives_one_of_each_column_by_the_name_of_its_header(spark: SparkSession) -> None:
    df = spark.createDataFrame(
        [("mon", 60, None, 2), ("tue", 55, 40, 3)],
        "day string, s7 long, north long, _source_position long",
    )
    made = unpivot(df, SOURCE)
    assert made.columns == ["day", "_source_position", "sensor", "speed"]
    assert sorted(tuple(row) for row in made.collect()) == [
        ("mon", 2, "7", 60),
        ("mon", 2, "north", None),
        ("tue", 3, "7", 55),
        ("tue", 3, "north", 40),
    ]
    assert made.count() == df.count() * SOURCE.rows_of_each
