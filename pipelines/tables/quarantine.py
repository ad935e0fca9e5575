"""The table of rows that were set aside, each with the rule it broke, its place and its text."""

from collections.abc import Mapping, Sequence
from typing import cast

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F
from pyspark.sql.types import StructType

from pipelines.errors import LedgerError
from pipelines.layout import Layout
from pipelines.spark.schema import local_frame
from pipelines.step import FATE, StepKey
from pipelines.tables.commits import versions
from pipelines.tables.ledger import Written
from pipelines.tables.ledger_table import read_ledger
from pipelines.tables.version import TableVersion
from pipelines.tables.write import commit, lock_table

COLUMNS = (
    "dataset string, source string, stage string, rule string, detail string, source_file string, "
    "position long, raw string, run string, status string, settled_by string, "
    "settled_at timestamp, mended_position long, note string, event_time timestamp, "
    "file_digest string, interval string"
)
OPEN = "open"
AS_JSON = "set aside when the table was written; raw is the row as JSON"
_QUARANTINED = "quarantined:"
_FILE, _POSITION = "_source_file", "_source_position"


def broken_rows(marked: DataFrame, time: str = "") -> DataFrame:
    """Give the rows of ``marked`` that a check has set aside, as the quarantine holds them.

    Returns:
        ``rule``, ``detail``, ``source_file`` and ``position`` (null if the table has no lineage),
        ``raw``: the row as JSON, less what is binary, and ``event_time``: the column ``time``, null
        if there is none.
    """
    kinds = dict(marked.dtypes)
    names = [name for name, kind in kinds.items() if name != FATE and kind != "binary"]
    place = {
        "source_file": F.col(_FILE) if _FILE in names else F.lit(None).cast("string"),
        "position": F.col(_POSITION) if _POSITION in names else F.lit(None).cast("long"),
    }
    return marked.where(F.startswith(F.col(FATE), F.lit(_QUARANTINED))).select(
        F.substring(F.col(FATE), len(_QUARANTINED) + 1, 1_000).alias("rule"),
        F.lit(AS_JSON).alias("detail"),
        place["source_file"].alias("source_file"),
        place["position"].alias("position"),
        F.to_json(F.struct(*names), {"ignoreNullFields": "false"}).alias("raw"),
        (F.col(f"`{time}`") if time else F.lit(None)).cast("timestamp").alias("event_time"),
    )


def with_origin(aside: DataFrame, digests: Mapping[str, str], interval: str) -> DataFrame:
    """Add the digest of each row's file, by its name, and the interval that was read, if any."""
    known = local_frame(
        aside.sparkSession, [*digests.items()], "source_file string, file_digest string"
    )
    named = aside.join(F.broadcast(known), on="source_file", how="left")
    return named.withColumn("interval", F.lit(interval or None).cast("string"))


def set_aside(
    spark: SparkSession, key: StepKey, tables: Mapping[str, tuple[DataFrame, Written]]
) -> None:
    """Keep the rows that a step has set aside; rows of its former runs go.

    Args:
        spark: The session.
        key: The step's execution.
        tables: By source, the rows with their fates and what came of writing them. The rows are
            computed once more where any was set aside.

    Raises:
        LedgerError: Other rows are found than were counted while the table was written.
    """
    counts = {name: sum(item.fates.quarantined.values()) for name, (_, item) in tables.items()}
    if not any(counts.values()) and not _has_set_aside_before(key):
        return
    parts = [(name, broken_rows(tables[name][0])) for name, count in counts.items() if count]
    write_quarantine(spark, parts, key, sum(counts.values()))


def _has_set_aside_before(key: StepKey) -> bool:
    return any(row["quarantined"] for row in read_ledger(key.layout, [("step", "=", key.step)]))


def write_quarantine(
    spark: SparkSession,
    parts: Sequence[tuple[str, DataFrame]],
    key: StepKey,
    num_expected: int,
    only: str = "",
) -> TableVersion:
    """Replace the rows that this step of the data set has set aside; those of others stay.

    Args:
        spark: The session.
        parts: Sources, and their rows as ``broken_rows`` gives them, which are open, or with the
            columns that say whether they were mended or discarded since.
        key: The execution that sets them aside.
        num_expected: How many there must be, by another count.
        only: Replace those of the step's rows that keep this condition, SQL, as all of ``parts``
            do; the others stay too.

    Raises:
        LedgerError: The table holds another number of them.
        LockedError: Another process writes the table for longer than this one waits.
        TableError: A writer that ignores the table's lock comes in between each time.
    """
    layout: Layout = key.layout
    rows = local_frame(spark, [], COLUMNS)
    for source, part in parts:
        told = {"dataset": layout.dataset, "source": source, "stage": key.step}
        told |= {"run": key.fingerprint}
        named = part.withColumns({name: F.lit(value) for name, value in told.items()})
        rows = rows.unionByName(_completed(named))
    path = layout.quarantine
    with lock_table(path):
        writer = rows.coalesce(1).write.format("delta").mode("overwrite")
        writer = writer.option("userMetadata", key.fingerprint)
        if versions(path):
            if only:
                _add_columns(spark, path)
            mine = f"dataset = '{layout.dataset}' AND stage = '{key.step}'"
            mine += f" AND ({only})" if only else ""
            # a table that a former version wrote lacks columns
            writer = writer.option("replaceWhere", mine).option("mergeSchema", "true")
        # no row in place of no row: Delta makes no commit
        _, made = commit(spark, path, key.fingerprint, lambda: writer.save(path))
        written = made or TableVersion(path, versions(path)[-1])
    kept = (F.col("stage") == key.step) & (F.col("dataset") == layout.dataset)
    if only:
        kept = kept & (F.col("run") == key.fingerprint)
    num_written = spark.read.format("delta").load(path).where(kept).count()
    if num_written != num_expected:
        raise LedgerError(
            f"{written}: expected {num_expected} quarantined rows; the table holds {num_written}"
        )
    return written


def _add_columns(spark: SparkSession, path: str) -> None:
    """Give a table that a former release wrote the columns that a condition may speak of."""
    known = spark.read.format("delta").load(path).columns
    if not {*_schema().names} <= {*known}:
        empty = local_frame(spark, [], COLUMNS).write.format("delta").mode("append")
        empty.option("mergeSchema", "true").save(path)


def _schema() -> StructType:
    return cast("StructType", StructType.fromDDL(COLUMNS))


def _completed(part: DataFrame) -> DataFrame:
    """Add what a part does not say, and leave out what the quarantine does not hold."""
    kinds = {field.name: field.dataType for field in _schema().fields}
    added = {
        name: F.lit(OPEN if name == "status" else None).cast(kind)
        for name, kind in kinds.items()
        if name not in part.columns
    }
    return part.withColumns(added).select(*kinds)
