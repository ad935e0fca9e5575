"""Tell rows that were mended or discarded by hand from those that are still to be."""

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from pipelines.sources.parse import KEPT, QUARANTINED, REASON, explain
from pipelines.sources.replays import Taken
from pipelines.sources.text import FILE, POSITION
from pipelines.spark.schema import local_frame
from pipelines.step import FATE
from schemas.contract import Source

SETTLED = "_settled"
ORIGIN_ABSENT = "filtered:origin_absent"
OUTSIDE = "filtered:outside_interval"
WITHDRAWN = "withdrawn"
# when the event of a row was; null where its text does not say so reliably
EVENT_TIME = "_event_time"
OPEN = "open"
_FIELDS = (
    "status string, settled_by string, settled_at string, mended_position long, note string, "
    "rule string"
)
_FILTERED = "filtered:"


def explain_settled(
    spark: SparkSession, marked: DataFrame, source: Source, taken: Taken
) -> DataFrame:
    """Give quarantined rows their reason, and settled ones what became of them.

    Args:
        spark: The session.
        marked: As ``parse_records`` gives it.
        source: Contract of the source.
        taken: Its replays.

    Returns:
        What ``explain`` gives, and the struct column ``_settled``, null but for settled rows. Their
        fate is ``filtered:replayed`` or ``filtered:discarded``; that of a mended row whose first
        row is in none of the files is ``filtered:origin_absent``. Rows are those of ``marked``.
    """
    if not taken.settled and not taken.absent:
        return explain(marked, source).withColumn(SETTLED, F.lit(None).cast(f"struct<{_ddl()}>"))
    rows = [
        (row.file, row.position, row.status, replay.name, replay.settled_at, row.mended_position,
         row.note, row.rule)
        for replay, row in taken.settled
    ]  # fmt: skip
    rows += [(*place, None, None, None, None, None, None) for place in taken.absent]
    known = local_frame(spark, rows, f"{FILE} string, {POSITION} long, {_FIELDS}")
    names = [part.split()[0] for part in _FIELDS.split(", ")]
    known = known.select(FILE, POSITION, F.struct(*names).alias(SETTLED))
    joined = marked.join(F.broadcast(known), on=[FILE, POSITION], how="left")
    is_named, status = F.col(SETTLED).isNotNull(), F.col(f"{SETTLED}.status")
    fate = F.when(is_named & status.isNull(), ORIGIN_ABSENT)
    fate = fate.when(is_named & (F.col(FATE) == KEPT), QUARANTINED + WITHDRAWN)
    explained = explain(joined.withColumn(FATE, fate.otherwise(F.col(FATE))), source)
    closed = F.when(status.isNotNull(), F.concat(F.lit(_FILTERED), status))
    named = F.when(status.isNotNull(), F.col(SETTLED))
    return explained.withColumns({FATE: closed.otherwise(F.col(FATE)), SETTLED: named})


def quarantined(explained: DataFrame) -> DataFrame:
    """Give the rows of ``explain_settled`` that were set aside, settled since or open.

    Args:
        explained: Its rows as ``pipelines.sources.span.mark_outside`` gives them.

    Returns:
        ``rule``, ``detail``, ``source_file``, ``position`` (line number), ``raw`` (as it came; the
        beginning of a row that is too long), ``status`` (``open``, ``replayed``, ``discarded``),
        ``settled_by``, ``settled_at``, ``mended_position``, ``note``, ``event_time`` (null if it
        can't be told) and ``is_outside`` (of the interval that is read).
    """
    settled = F.col(SETTLED)
    return explained.where(F.col(REASON).isNotNull()).select(
        F.coalesce(settled.getField("rule"), F.col(f"{REASON}.rule")).alias("rule"),
        f"{REASON}.detail",
        F.col(FILE).alias("source_file"),
        F.col(POSITION).alias("position"),
        f"{REASON}.raw",
        F.coalesce(settled.getField("status"), F.lit(OPEN)).alias("status"),
        settled.getField("settled_by").alias("settled_by"),
        settled.getField("settled_at").cast("timestamp").alias("settled_at"),
        settled.getField("mended_position").alias("mended_position"),
        settled.getField("note").alias("note"),
        F.col(EVENT_TIME).alias("event_time"),
        (F.col(FATE) == OUTSIDE).alias("is_outside"),
    )


def _ddl() -> str:
    return ", ".join(":".join(part.split()) for part in _FIELDS.split(", "))
