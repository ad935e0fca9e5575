"""The steps that are measured, in one process with one Spark session, each told before and after.

Started by ``tests.benchmarks``; speaks JSON lines on stdout: ``{"begin": name}``, then the step's
result. The contract is the flights' own, with its split moved to the end of the enlarged time.
"""

import json
import sys
import time
from dataclasses import asdict, replace
from datetime import date, timedelta
from typing import Any

import schemas.flights
from jobs.steps import STEPS, Journey, Step, validate
from pipelines.spark.session import spark_session
from pipelines.step import StepResult
from pipelines.train import TrainParams, launch_training
from schemas.contract import DatasetSpec, TimeSplit
from tests.benchmarks.generate import SHIFT_DAYS, read_generated

_YEAR_START = date(2013, 1, 1)
# days of the last copy at which validation and test begin: October 1 and November 1
_VALIDATION_DAY, _TEST_DAY = 273, 304


def _names(step: Step) -> tuple[str, ...]:
    return (step.name, f"validate-{step.layer}") if step.layer else (step.name,)


NAMES = tuple(name for step in STEPS for name in _names(step))


def main() -> None:
    """Run the steps up to the last one named by the JSON in the first argument."""
    said = json.loads(sys.argv[1])
    data = read_generated(said["data"])
    schemas.flights.SPEC = stretch(schemas.flights.SPEC, data.num_copies)
    _say({"begin": "start_spark"})
    started = time.monotonic()
    spark = spark_session("benchmark")
    spark.range(1).count()
    _say({"step": "start_spark", "seconds": round(time.monotonic() - started, 2)})
    journey = Journey(schemas.flights.SPEC, said["root"], 2, data.sources, "", spark)
    last = max(NAMES.index(name) for name in said["names"])
    wanted = NAMES[: last + 1]
    for step in STEPS:
        for name in _names(step):
            if name in wanted:
                _say({"begin": name})
                started = time.monotonic()
                result = run_step(journey, step, name, said["epochs"])
                _say({**asdict(result), "step": name, "seconds": _since(started)})
    spark.stop()


def run_step(journey: Journey, step: Step, name: str, epochs: int) -> StepResult:
    """Run one step, or the validation of its tables, on what the journey has so far."""
    if name == "train":
        result = _train(journey, epochs)
    else:
        result = step.run(journey) if name == step.name else validate(journey, step)
    journey.results[name] = result
    return result


def _train(journey: Journey, epochs: int) -> StepResult:
    """Train exactly ``epochs`` epochs, so that sizes can be compared: early stopping is off."""
    params = TrainParams(
        dataset=journey.spec.name,
        features=journey.features,
        state=journey.file("engineer_features", "state"),
        root=journey.root,
        epochs=epochs,
        patience=0,
    )
    return launch_training(params, journey.num_processes)


def _since(started: float) -> float:
    return round(time.monotonic() - started, 2)


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


def _say(value: dict[str, Any]) -> None:
    print(json.dumps(value, default=str), flush=True)


if __name__ == "__main__":
    main()
