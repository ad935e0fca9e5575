"""The command ``gristmill``: walk the road of a data set from raw files to a scored model.

One Spark session serves all Spark steps; training runs on its own Horovod ranks. Progress goes to
stderr; stdout carries one JSON line.
"""

import argparse
import json
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from importlib import import_module
from threading import Thread
from typing import Any

from jobs import fetch
from jobs.progress import describe, describe_checks, pace, say
from jobs.steps import STEP_NAMES, STEPS, Journey, Step, position, validate
from pipelines.cli import keep_private, report_errors
from pipelines.errors import ContractError, GristmillError, ParameterError
from pipelines.layout import Layout
from pipelines.registry.address import check_address
from pipelines.state import write_json
from pipelines.step import StepResult, read_run
from pipelines.storage.place import is_remote, place
from schemas.catalog import dataset, datasets


@dataclass(frozen=True, slots=True)
class RunParams:
    """What one run was asked for."""

    dataset: str
    root: str
    until: str
    start: str
    num_processes: int
    sources: tuple[str, ...]
    registry: str
    restarts: int
    cache: str = ""


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command; exit code 0 only if every step succeeded."""
    words = sys.argv[1:] if arguments is None else arguments
    if [*words[:1]] == ["fetch"]:
        fetch.main(words[1:])
        return
    params = parse_arguments(words)
    with keep_private(), report_errors():
        print(json.dumps(run(params)), flush=True)


def parse_arguments(arguments: Sequence[str] | None = None) -> RunParams:
    """Make ``RunParams`` of the command line; argparse exits with 2 on an unknown flag."""
    parser = argparse.ArgumentParser(prog="gristmill", description=__doc__, allow_abbrev=False)
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("fetch", help=fetch.HELP, add_help=False)
    command = commands.add_parser(
        "run",
        help="walk a data set's road, or a part of it",
        allow_abbrev=False,
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    command.add_argument("dataset", help=f"one of {', '.join(datasets())}")
    command.add_argument("--root", default="build/lake", help="folder of all tables and models")
    steps = ", ".join(STEP_NAMES)
    command.add_argument("--until", default=STEP_NAMES[-1], help=f"last step to do: {steps}")
    command.add_argument(
        "--from", dest="start", default="", help="do this step and the later ones anew"
    )
    command.add_argument("--np", type=int, default=2, help="Horovod ranks to train on")
    command.add_argument(
        "--sources", nargs="*", default=[], help="other places of sources: NAME=PATH"
    )
    command.add_argument(
        "--restarts", type=int, default=0, help="times to go on training after a rank was lost"
    )
    command.add_argument(
        "--registry", default="", help="postgresql://USER@HOST/NAME; empty: SQLite under the root"
    )
    command.add_argument(
        "--cache",
        default="build/cache",
        help="local folder for copies of tables and for checkpoints, where the root is remote",
    )
    said = parser.parse_args(arguments)
    return RunParams(
        said.dataset,
        said.root,
        said.until,
        said.start,
        said.np,
        tuple(said.sources),
        said.registry,
        said.restarts,
        said.cache if is_remote(said.root) else "",
    )


def run(params: RunParams) -> dict[str, Any]:
    """Walk the road; give the summary that is printed.

    The report is made whether or not a step fails. A step whose inputs, parameters and code are
    those of a recorded one is not repeated.

    Raises:
        GristmillError: What a step raised, after the report is written.
    """
    spec = dataset(params.dataset)
    first = position(params.start, "--from") if params.start else 0
    last = position(params.until, "--until")
    if first > last:
        raise ParameterError(f"--from {params.start} comes after --until {params.until}")
    if params.num_processes < 1:
        raise ParameterError(f"--np: expected 1 or more ranks; got {params.num_processes}")
    if params.restarts < 0:
        raise ParameterError(f"--restarts: expected 0 or more; got {params.restarts}")
    _check_registry(params, last)
    layout = Layout(params.root, spec.name)
    known = _earlier(layout, first) if first else {}
    _forget(layout, first if params.start else len(STEPS))
    journey = Journey(
        spec,
        params.root,
        params.num_processes,
        params.sources,
        params.registry,
        _spark(params.root),
        known,
        params.restarts,
    )
    record = _Record(layout, params)
    journey.run, journey.cache = record.path.stem, params.cache
    failure: GristmillError | ContractError | None = None
    try:
        for number in range(first, last + 1):
            _take(journey, STEPS[number], record)
    except (GristmillError, ContractError) as error:
        failure = error
        record.fail(error)
    finally:
        record.write(journey)
    report = _report(layout, record)
    if failure:
        say(f"report: {report}")
        raise failure
    return _summary(journey, report)


def _check_registry(params: RunParams, last: int) -> None:
    """Say before anything is done what only a late step would ask for."""
    check_address(params.registry)
    if (
        is_remote(place(params.root))
        and not params.registry
        and last >= position("register", "--until")
    ):
        raise ParameterError(
            f"--registry: expected postgresql://USER@HOST/NAME with the root {params.root}; got "
            "none, and SQLite needs a local disk. Give one, or --until evaluate"
        )


class _Record:
    """The file that says what a run did, rewritten after each step."""

    def __init__(self, layout: Layout, params: RunParams) -> None:
        self._started = datetime.now(UTC)
        self.path = layout.base / "runs" / f"{self._started:%Y%m%dT%H%M%S%f}.json"
        self._last = layout.base / "runs" / "last.json"
        self._params = params
        self._error: dict[str, str] = {}
        self.step = ""

    def fail(self, error: Exception) -> None:
        """Keep what stopped the run."""
        self._error = {"step": self.step, "message": str(error)}

    def write(self, journey: Journey) -> None:
        """Write the record of the run so far."""
        value: dict[str, Any] = {
            "command": "gristmill run",
            "started_at": self._started.isoformat(timespec="seconds"),
            "finished_at": datetime.now(UTC).isoformat(timespec="seconds"),
            "parameters": asdict(self._params),
            "steps": [{**asdict(result), "numbers": {}} for result in journey.results.values()],
        }
        if self._error:
            value["error"] = self._error
        write_json(self.path, value)
        write_json(self._last, value)


def _spark(root: str) -> Any:
    from pipelines.spark.session import spark_session

    # Great Expectations takes seconds to import; Spark's start is mostly waiting
    Thread(target=import_module, args=("pipelines.quality.runner",), daemon=True).start()
    return spark_session("run", root)


def _take(journey: Journey, step: Step, record: _Record) -> None:
    record.step = step.name
    say(f"[{STEP_NAMES.index(step.name) + 1}/{len(STEPS)}] {step.name} ...")
    started = time.monotonic()
    result = step.run(journey)
    journey.results[step.name] = result
    record.write(journey)
    say(f"      {describe(result)}{pace(result, started)}")
    if step.layer:
        record.step = f"validate-{step.layer}"
        started = time.monotonic()
        report = validate(journey, step)
        journey.results[report.step] = report
        record.write(journey)
        say(f"      {describe_checks(report)}{pace(report, started)}")


def _earlier(layout: Layout, first: int) -> dict[str, StepResult]:
    """Results of the steps before ``first``, from the last run that did them."""
    last = layout.base / "runs" / "last.json"
    found = {}
    if last.exists():
        found = {result.step: result for result in read_run(last)}
    missing = [name for name in STEP_NAMES[:first] if name not in found]
    if missing:
        raise ParameterError(
            f"--from {STEP_NAMES[first]}: expected results of the steps before it under "
            f"{layout.base}; {missing} have none. Run without --from first"
        )
    later = set(STEP_NAMES[first:])
    layers = {f"validate-{step.layer}" for step in STEPS[first:] if step.layer}
    return {name: result for name, result in found.items() if name not in later | layers}


def _forget(layout: Layout, first: int) -> None:
    """Drop the records of the steps from ``first`` on, so that they are done anew."""
    for step in STEPS[first:]:
        for record in layout.steps.glob(f"{step.name}-*.json"):
            record.unlink()


def _report(layout: Layout, record: _Record) -> str:
    from pipelines.report import ReportParams, run

    params = ReportParams(layout.dataset, layout.root, (str(record.path),))
    return run(params).files["report"]


def _summary(journey: Journey, report: str) -> dict[str, Any]:
    summary: dict[str, Any] = {"dataset": journey.spec.name, "report": report}
    if "evaluate" in journey.results:
        details = journey.results["evaluate"].details
        summary["verdict"] = details["verdict"]
        summary["metrics"] = details["models"]["network"]
        say(details["verdict"])
    if "register" in journey.results:
        summary["model"] = journey.results["register"].details
    summary["tables"] = {name: result.tables for name, result in journey.results.items()}
    say(f"report: {report}")
    return summary


if __name__ == "__main__":
    main()
