"""Two days of rides by interval, then upkeep: what a test kills and goes on with.

As a script it does so under the root that it is told.
"""

import sys
from contextlib import ExitStack
from pathlib import Path
from unittest.mock import patch

from pyspark.sql import SparkSession

import pipelines.ingest
import pipelines.maintain
from pipelines.ingest import IngestParams
from pipelines.maintain import MaintainParams
from pipelines.spark.session import spark_session
from schemas.contract import Column, DatasetSpec, HashSplit, Label, Source

RIDES = Source(
    "rides",
    "package:none/rides.csv",
    (Column("ride_id", "int"), Column("at", "timestamp")),
    ("ride_id",),
    time="at",
    interval="day",
    max_malformed_share=0.5,
)
SPEC = DatasetSpec(
    "rides", "Rides", "Is it early?", (RIDES,), Label("is_early", "ride_id > 1"),
    HashSplit(("ride_id",)),
)  # fmt: skip
LINES = ("ride_id,at", "1,2024-03-01T01:00:00Z", "2,2024-03-02T01:00:00Z", "x", "y,2024-03-02")
DAYS = ("2024-03-01", "2024-03-02", "2024-03-03")


def go(spark: SparkSession, root: Path) -> tuple[str, str]:
    """Do all of it; give the last version of the raw table, and of the quarantine."""
    source = root.parent / "rides.csv"
    source.write_text("\n".join(LINES) + "\n")
    places = (f"rides={source}",)
    with ExitStack() as stack:
        for module in (pipelines.ingest, pipelines.maintain):
            stack.enter_context(patch.object(module, "dataset", lambda _: SPEC))
        pipelines.ingest.run(spark, IngestParams("rides", str(root), places, *DAYS[:2]))
        made = pipelines.ingest.run(spark, IngestParams("rides", str(root), places, *DAYS[1:]))
        pipelines.maintain.run(lambda: spark, MaintainParams("rides", str(root), 0))
    return made.tables[0], made.details["quarantine"]


if __name__ == "__main__":
    go(spark_session("faults"), Path(sys.argv[1]))
