"""The same checks by Deequ, in an environment of its own: Spark 3.5, pydeequ and Deequ's jar.

Usage: SPARK_VERSION=3.5 python deequ.py PARQUET ROUNDS
Prints one JSON line: seconds of each round, jobs and checks of the last.
"""

import json
import sys
import time

import pydeequ
from pydeequ.checks import Check, CheckLevel
from pydeequ.verification import VerificationResult, VerificationSuite
from pyspark.sql import SparkSession

# the last of Deequ for Spark 3.5 that pydeequ 1.5 fits
_DEEQU = "com.amazon.deequ:deequ:2.0.7-spark-3.5"
_CITIES = ["Oslo", "Rome", "Bonn", "Bern", "Wien"]


def main(path: str, rounds: int) -> None:
    """Run all checks as one suite, so many times."""
    spark = (
        SparkSession.builder.master("local[2,4]")
        .config("spark.driver.memory", "2g")
        .config("spark.ui.enabled", "false")
        .config("spark.driver.host", "127.0.0.1")
        .config("spark.driver.bindAddress", "127.0.0.1")
        .config("spark.sql.shuffle.partitions", "4")
        .config("spark.jars.packages", _DEEQU)
        .config("spark.jars.excludes", pydeequ.f2j_maven_coord)
        .getOrCreate()
    )
    spark.sparkContext.setLogLevel("ERROR")
    rows = spark.read.parquet(path)
    seconds, jobs, found = [], 0, []
    for number in range(rounds):
        spark.sparkContext.setJobGroup(f"round-{number}", "checks")
        started = time.monotonic()
        result = VerificationSuite(spark).onData(rows).addCheck(_checks(spark)).run()
        found = VerificationResult.checkResultsAsDataFrame(spark, result).collect()
        seconds.append(round(time.monotonic() - started, 3))
        jobs = len(spark.sparkContext.statusTracker().getJobIdsForGroup(f"round-{number}"))
    failed = [str(row) for row in found if row["constraint_status"] != "Success"]
    print(json.dumps({"seconds": seconds, "jobs": jobs, "checks": len(found), "failed": failed}))
    spark.stop()
    spark.sparkContext._gateway.shutdown_callback_server()


def _checks(spark: SparkSession) -> Check:
    check = Check(spark, CheckLevel.Error, "rides").hasSize(lambda size: size >= 2)
    for name in ("ride_id", "seats", "city", "code"):
        check = check.isComplete(name)
    for number in range(4):
        check = check.hasCompleteness(f"x{number}", lambda share: share >= 0.9)
    for number in range(8):
        check = check.satisfies(f"x{number} is null or x{number} between 0 and 1", f"x{number}")
    check = check.satisfies("seats between 1 and 9", "seats")
    check = check.isContainedIn("city", _CITIES)
    check = check.satisfies("seats in (1, 2, 3, 4, 5, 6, 7, 8, 9)", "seats in set")
    check = check.hasPattern("city", r"^[A-Z][a-z]+$").hasPattern("code", r"^[0-9a-f]{8}$")
    check = check.hasMinLength("code", lambda n: n >= 8).hasMaxLength("city", lambda n: n <= 4)
    check = check.hasSum("seats", lambda total: total >= 1)
    for number in range(2):
        check = check.hasMean(f"x{number}", lambda mean: 0.4 <= mean <= 0.6)
    check = check.satisfies("seats <= ride_id", "at most", lambda share: share >= 0.9)
    return check.isUnique("ride_id").hasNumberOfDistinctValues("city", lambda n: n == 5, None, 0)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
