"""Use most of what the steps use of Spark and Delta, on a few rows; see archive_classes.

The classes that this loads are what the archive holds. It need not compute anything sensible.
"""

import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

import pyarrow as pa
from pyspark.sql import DataFrame, Observation, SparkSession, Window
from pyspark.sql import functions as F

from pipelines.spark.session import spark_session


def main(folder: str) -> None:
    """Read text, write and read Delta and Parquet, join, rank, fit and map below ``folder``."""
    spark = spark_session("warm-up")
    text, table, parquet = (str(Path(folder) / name) for name in ("text", "table", "parquet"))
    lines = [f"{number},w{number % 7},{number / 3:.2f},2013-01-01T05:00:00" for number in range(99)]
    Path(text).write_text("\n".join(["a,b,c,d", *lines]))
    rows = _parse(spark, text)
    _write_delta(rows, table)
    read = spark.read.format("delta").option("versionAsOf", 0).load(table)
    _transform(read).write.mode("overwrite").parquet(parquet)
    wide = spark.read.parquet(parquet)
    _fit(wide)
    _write_delta(wide.mapInArrow(_same, wide.schema).repartition(4, F.xxhash64("a")), table)
    spark.stop()


def _parse(spark: SparkSession, path: str) -> DataFrame:
    lines = spark.read.text(path).select("value", "_metadata.file_path")
    cells = F.from_csv("value", "a string, b string, c string, d string", {"mode": "PERMISSIVE"})
    parsed = lines.withColumn("cells", cells).select("cells.*", "file_path", "value")
    typed = parsed.withColumns(
        {
            "a": F.expr("try_cast(a as int)"),
            "c": F.expr("try_cast(c as double)"),
            "d": F.to_timestamp("d"),
            "split": F.when(F.pmod(F.xxhash64("a"), F.lit(3)) == 0, "test").otherwise("train"),
        }
    )
    seen = Observation()
    return typed.where(F.col("a").isNotNull()).observe(seen, F.count_if(F.col("a") > 0).alias("n"))


def _transform(rows: DataFrame) -> DataFrame:
    latest = Window.partitionBy("a").orderBy(F.desc("d"), F.desc(F.xxhash64("b", "c")))
    ranked = rows.withColumn("rank", F.row_number().over(latest)).where(F.col("rank") == 1)
    past = Window.partitionBy("b").orderBy("d").rowsBetween(Window.unboundedPreceding, 0)
    carried = ranked.withColumn("last", F.last(F.struct("c", "d"), ignorenulls=True).over(past))
    words = rows.groupBy("b").agg(F.avg("c").alias("mean"), F.median("c").alias("middle"))
    near = carried.join(F.broadcast(words), on="b", how="left")
    far = near.join(rows.select(F.col("a").alias("key"), F.col("c").alias("other")).hint("merge"),
                    on=F.col("a") == F.col("key"), how="left")  # fmt: skip
    return far.select("a", "b", "c", "d", "split", "mean", "middle", "other", "last.c").toDF(
        "a", "b", "c", "d", "split", "mean", "middle", "other", "before"
    )


def _write_delta(rows: DataFrame, table: str) -> None:
    writer = rows.sortWithinPartitions("split", "a").write.format("delta").mode("overwrite")
    writer.option("overwriteSchema", "true").partitionBy("split").save(table)


def _fit(rows: DataFrame) -> None:
    rows.select(F.percentile("c", [0.1, 0.5]), F.count_if(F.col("c").isNull())).first()
    pairs = F.array(*[F.struct(F.lit(i).alias("item"), F.col("b").alias("word")) for i in (0, 1)])
    words = rows.select(F.explode(pairs).alias("pair")).select("pair.*")
    words.groupBy("item", "word").count().orderBy("item", F.desc("count")).limit(9).collect()
    rows.groupBy("a").count().agg(F.sum(F.when(F.col("count") > 1, F.col("count")))).collect()
    rows.where(F.col("b").rlike("^[a-z]") & F.col("b").isin("w1", "w2")).toPandas()


def _same(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    yield from batches


if __name__ == "__main__":
    main(sys.argv[1])
