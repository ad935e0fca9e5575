"""A table that Spark wrote, read without Spark: the same rows, with strings left unread."""

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from pipelines.loading.columns import InputColumns
from pipelines.loading.dataset import Reading, load_split
from pipelines.loading.manifest import read_manifest
from pipelines.world import World

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

SQL = """
    select concat('k', id) as key, cast(id as float) as x, cast(id % 3 as int) as c,
           cast(id % 2 as int) as label,
           case when id < 70 then 'train' when id < 90 then 'validation' else 'te st' end as split
    from range({begin}, {end})
"""
COLUMNS = InputColumns(("x",), ("c",), (3,), "label")


def _ids(folder: Path, version: int, split: str) -> list[int]:
    manifest = read_manifest(str(folder), version, COLUMNS)
    opened = load_split(manifest, split, World(0, 1), Reading(24, 1))
    ids = [
        int(x)
        for inputs, _, weight in opened.batches(0)
        for x in inputs["numeric"].numpy()[weight.numpy() > 0, 0]
    ]
    opened.close()
    return sorted(ids)


def test_versions_splits_and_overwrites_of_a_spark_table_are_read_right(
    spark: "SparkSession", tmp_path: Path
) -> None:
    folder = tmp_path / "fea tures#1"
    for begin, end in ((0, 100), (5, 100)):
        rows = spark.sql(SQL.format(begin=begin, end=end)).repartition(2, "x")
        writer = rows.write.format("delta").mode("overwrite").partitionBy("split")
        writer.option("maxRecordsPerFile", 20).save(str(folder))
    assert _ids(folder, 0, "train") == list(range(70))
    assert _ids(folder, 1, "train") == list(range(5, 70))
    assert _ids(folder, 1, "te st") == list(range(90, 100))


def test_a_checkpoint_that_spark_wrote_is_read(spark: "SparkSession", tmp_path: Path) -> None:
    for begin in range(0, 60, 5):
        rows = spark.sql(SQL.format(begin=begin, end=begin + 5))
        rows.write.format("delta").mode("append").partitionBy("split").save(str(tmp_path))
    log = tmp_path / "_delta_log"
    assert list(log.glob("*10.checkpoint.parquet"))
    for number in range(10):
        (log / f"{number:020d}.json").unlink()
    manifest = read_manifest(str(tmp_path), 11, COLUMNS)
    assert manifest.num_rows("train") == 60
    assert manifest.label_range("train") == (0, 1)
    assert np.all(np.array([group.rows for group in manifest.row_groups("train")]) > 0)
