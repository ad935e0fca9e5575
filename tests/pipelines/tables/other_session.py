"""A second Spark session in a process of its own: does what it reads, a line each, and says how."""

import json
import sys

from delta.tables import DeltaTable
from pyspark.errors import PySparkException
from pyspark.sql import SparkSession

from pipelines.errors import TableError
from pipelines.spark.session import spark_session
from pipelines.tables.delta import last_version
from pipelines.tables.upkeep import join_files
from pipelines.tables.write import CONFLICTS, write_table


def append(spark: SparkSession, path: str, name: str) -> None:
    """Append one row."""
    rows = spark.createDataFrame([(name, 1)], "name string, total long")
    rows.write.format("delta").mode("append").save(path)


def add_one(spark: SparkSession, path: str, name: str) -> None:
    """Merge: one more for a name."""
    rows = spark.createDataFrame([(name, 1)], "name string, total long")
    merge = DeltaTable.forPath(spark, path).alias("t").merge(rows.alias("s"), "t.name = s.name")
    merge = merge.whenMatchedUpdate(set={"total": "t.total + s.total"})
    merge.whenNotMatchedInsertAll().execute()


def compact(spark: SparkSession, path: str, name: str) -> None:
    """Make one file of many."""
    DeltaTable.forPath(spark, path).optimize().executeCompaction()


def replace(spark: SparkSession, path: str, name: str) -> None:
    """Replace all rows by one, as our steps do."""
    write_table(spark.createDataFrame([(name, 1)], "name string, total long"), path, name)


def join(spark: SparkSession, path: str, name: str) -> None:
    """Make one file of many, as our upkeep does."""
    table = last_version(path)
    assert table
    join_files(spark, table)


ACTIONS = {
    "append": append,
    "add_one": add_one,
    "compact": compact,
    "join": join,
    "replace": replace,
}


def main() -> None:
    """Serve until stdin ends; the argument is a root that the session must reach, if any."""
    spark = spark_session("other", *sys.argv[1:])
    print("ready", flush=True)
    for line in sys.stdin:
        action, path, name = json.loads(line)
        try:
            ACTIONS[action](spark, path, name)
            print("done", flush=True)
        except CONFLICTS as error:
            print(f"conflict {type(error).__name__}", flush=True)
        except (PySparkException, TableError) as error:
            said = str(error).partition("\n")[0]
            print(f"failed {type(error).__name__}: {said}", flush=True)
    spark.stop()


if __name__ == "__main__":
    main()
