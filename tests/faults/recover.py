"""Walks the parcels' road under the roots it is told, in one process and one Spark session.

Reads a root and the last step from each line of stdin; answers with a line. Run in a checkout that
has the contract of the parcels, with that folder first on Python's path.
"""

import sys
from pathlib import Path
from typing import Any

from jobs.steps import STEPS, Journey, position, validate
from pipelines.spark.session import spark_session
from schemas.catalog import dataset

SAID = "walked: "


def walk(spark: Any, root: str, until: str, sources: tuple[str, ...]) -> None:
    """Do the steps up to ``until``, those that are recorded by their records."""
    # the folder below is not the one that Delta has read before
    spark._jvm.org.apache.spark.sql.delta.DeltaLog.clearCache()
    journey = Journey(dataset("parcels"), root, 2, sources, "", spark)
    for step in STEPS[: position(until, "until") + 1]:
        journey.results[step.name] = step.run(journey)
        if step.layer:
            validate(journey, step)


def main() -> None:
    """Answer until stdin ends."""
    spark = spark_session("recover")
    raw = Path("raw").absolute()
    sources = tuple(f"{name}={raw / name}.csv" for name in ("parcels", "depots"))
    for line in sys.stdin:
        root, until = line.rstrip("\n").split("\t")
        walk(spark, root, until, sources)
        print(f"{SAID}{root}", flush=True)


if __name__ == "__main__":
    main()
