"""Measure 30 checks of one table: on its write, by Great Expectations alone, by hand, by Deequ.

Usage: python -m tests.benchmarks.checks [--rows 1000000 10000000] [--deequ PYTHON]

The ways take turns. What the checks of a write cost is the write with them less the write without,
and what comes after it. Jobs are counted by Spark's status tracker with adaptive execution off, so
that a query is one job.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from pipelines.quality.checks import single_checks
from pipelines.quality.measures import plain_numbers
from pipelines.quality.riding import riding
from pipelines.quality.runner import Asked, check_table, run_stock
from pipelines.spark.session import spark_session
from pipelines.state import write_json
from pipelines.step import FATE
from pipelines.tables.ledger import Target, Written, write_all
from tests.benchmarks.checks.rules import CHECKS, SPEC, make_rows
from tests.benchmarks.machine import describe_machine

_DEEQU = Path(__file__).parent / "deequ.py"


def main() -> None:
    """Time each way on each size, print a Markdown table and write ``checks.json``."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, nargs="+", default=[1_000_000, 10_000_000])
    parser.add_argument("--rounds", type=int, default=4, help="of each way; the first is dropped")
    parser.add_argument("--deequ", default="", help="python of an environment with pydeequ")
    parser.add_argument("--output", default="build/benchmarks", help="tables and checks.json")
    said = parser.parse_args()
    if said.rounds < 2:
        parser.error(f"expected --rounds of 2 or more, the first is dropped; got {said.rounds}")
    output = Path(said.output).absolute()
    spark = spark_session("checks")
    spark.conf.set("spark.sql.adaptive.enabled", "false")
    results: list[dict[str, Any]] = []
    for num_rows in said.rows:
        path = output / f"checks-{num_rows}"
        if not path.exists():
            make_rows(spark, num_rows).write.parquet(str(path))
        ways = _measure(spark, path, said.rounds)
        if said.deequ:
            ways["Deequ on Spark 3.5"] = _run_deequ(said.deequ, path, said.rounds)
        results.append({"rows": num_rows, "ways": ways})
        print(_render(results[-1]), flush=True)
    write_json(output / "checks.json", {"machine": describe_machine(), "results": results})


def _measure(spark: SparkSession, path: Path, rounds: int) -> dict[str, Any]:
    rows = spark.read.parquet(str(path))
    scratch = str(path.with_name("scratch"))
    written: list[Written] = []

    def write(numbers: dict[str, Any]) -> None:
        written.append(write_all(rows, Target(scratch, "benchmark"), numbers))

    def check() -> None:
        numbers: Any = written[-1].numbers
        made = spark.read.format("delta").load(scratch).drop(FATE)
        report = check_table(made, SPEC, Asked("rides@v0", known=numbers)).report
        if not report.success:
            raise SystemExit(f"a check failed: {[str(item) for item in report.failed('error')]}")

    suite = check_table(rows.limit(10), SPEC, Asked("rides@v0")).suite
    ways: dict[str, Callable[[], object]] = {
        "write without checks": lambda: write({}),
        "write with the numbers of the checks": lambda: write(riding(SPEC, rows)),
        "then: the rest, and Great Expectations' verdicts": check,
        "aggregates by hand": lambda: _by_hand(rows),
        "Great Expectations, BASIC": lambda: run_stock(suite, rows, "rides@v0"),
        "Great Expectations, BOOLEAN_ONLY": lambda: run_stock(
            suite, rows, "rides@v0", "BOOLEAN_ONLY"
        ),
    }
    found: dict[str, Any] = {name: {"seconds": [], "jobs": 0} for name in ways}
    for number in range(rounds):
        for name, way in ways.items():
            group = f"{path.name}-{number}-{name}"
            spark.sparkContext.setJobGroup(group, name)
            started = time.monotonic()
            way()
            found[name]["seconds"].append(round(time.monotonic() - started, 3))
            found[name]["jobs"] = len(spark.sparkContext.statusTracker().getJobIdsForGroup(group))
            sys.stderr.write(f"{group}: {found[name]['seconds'][-1]} s\n")
    return found


def _by_hand(rows: DataFrame) -> None:
    """What a person would write: one query of aggregates, one for the key."""
    numbers = plain_numbers(single_checks(SPEC))
    rows.agg(*[number.alias(f"n{i}") for i, number in enumerate(numbers.values())]).collect()
    rows.groupBy("ride_id").count().agg(F.max("count")).collect()
    rows.agg(F.count_distinct("city")).collect()


def _run_deequ(python: str, path: Path, rounds: int) -> dict[str, Any]:
    environment = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("SPARK", "PYSPARK"))
    }
    done = subprocess.run(
        [python, str(_DEEQU), str(path), str(rounds)],
        env={**environment, "SPARK_VERSION": "3.5", "PYSPARK_PYTHON": python},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise SystemExit(f"Deequ failed:\n{done.stderr[-3000:]}")
    found = json.loads(done.stdout.strip().splitlines()[-1])
    if found["failed"] or found["checks"] != len(CHECKS):
        raise SystemExit(f"expected {len(CHECKS)} checks of Deequ to pass; got {found}")
    return found


def _render(result: dict[str, Any]) -> str:
    ways = result["ways"]
    lines = [f"\n| {result['rows']:,} rows, {len(CHECKS)} checks | seconds | range | Spark jobs |"]
    lines.append("|---|--:|--:|--:|")
    for name, found in ways.items():
        counted = found["seconds"][1:]
        middle = statistics.median(counted)
        span = f"{min(counted):.2f} to {max(counted):.2f}"
        lines.append(f"| {name} | {middle:.2f} | {span} | {found['jobs']} |")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
