"""The steps that are measured, in one process with one Spark session, each told before and after.

Started by ``tests.benchmarks``; speaks JSON lines on stdout: ``{"begin": name}``, then the step's
result. The contract is the flights' own, with its split moved to the end of the enlarged time.
"""

import importlib
import json
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from datetime import date, timedelta
from typing import Any

import schemas.flights
from pipelines.spark.session import spark_session
from pipelines.step import StepResult
from pipelines.tables.version import parse_version
from schemas.contract import DatasetSpec, TimeSplit
from schemas.derive import imputed_sources
from tests.benchmarks.generate import SHIFT_DAYS, Generated, read_generated

NAMES = ("ingest", "deduplicate", "split", "impute", "engineer_features")
_YEAR_START = date(2013, 1, 1)
# days of the last copy at which validation and test begin: October 1 and November 1
_VALIDATION_DAY, _TEST_DAY = 273, 304
Tables = dict[tuple[str, str], str]


def main() -> None:
    """Run the steps named by the JSON in the first argument."""
    said = json.loads(sys.argv[1])
    data = read_generated(said["data"])
    schemas.flights.SPEC = stretch(schemas.flights.SPEC, data.num_copies)
    _say({"begin": "start_spark"})
    started = time.monotonic()
    spark = spark_session("benchmark")
    spark.range(1).count()
    _say({"step": "start_spark", "seconds": round(time.monotonic() - started, 2)})
    tables: Tables = {}
    for name in NAMES[: 1 + max(NAMES.index(name) for name in said["names"])]:
        _say({"begin": name})
        started = time.monotonic()
        result = run_step(spark, name, said["root"], tables, data)
        _say({**asdict(result), "seconds": round(time.monotonic() - started, 2)})
    spark.stop()


def stretch(spec: DatasetSpec, num_copies: int) -> DatasetSpec:
    """Let validation and test be the last months of the last copy; all before is for training."""
    last = _YEAR_START + timedelta(days=SHIFT_DAYS * (num_copies - 1))
    marks = (0, _VALIDATION_DAY, _TEST_DAY, SHIFT_DAYS)
    _, validation, test, end = ((last + timedelta(days=day)).isoformat() for day in marks)
    split = TimeSplit(
        "flight_date",
        train=(_YEAR_START.isoformat(), validation),
        validation=(validation, test),
        test=(test, end),
    )
    return replace(spec, split=split)


def run_step(spark: Any, name: str, root: str, tables: Tables, data: Generated) -> StepResult:
    """Run one step on the tables so far, which get what it writes."""
    module = importlib.import_module(f"pipelines.{name}")
    params: Callable[..., Any] = getattr(module, f"{name.title().replace('_', '')}Params")
    spec = schemas.flights.SPEC
    if name == "ingest":
        result = module.run(spark, params(spec.name, root, data.sources))
    else:
        result = module.run(spark, params(spec.name, root, tuple(_inputs(name, spec, tables))))
    for text in result.tables:
        tables[name, parse_version(text).name] = text
    return result


def _inputs(name: str, spec: DatasetSpec, tables: Tables) -> Sequence[str]:
    main, names = spec.main.name, [source.name for source in spec.sources]
    if name == "deduplicate":
        return [tables["ingest", source] for source in names]
    if name == "split":
        return [tables["deduplicate", main]]
    if name == "impute":
        others = [tables["deduplicate", item] for item in imputed_sources(spec) if item != main]
        return [tables["split", main], *others]
    last = {source: tables.get(("impute", source)) for source in names}
    return [last[source] or tables["deduplicate", source] for source in names]


def _say(value: dict[str, Any]) -> None:
    print(json.dumps(value, default=str), flush=True)


if __name__ == "__main__":
    main()
