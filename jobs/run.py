"""The command ``gristmill``: walk the road of a data set from raw files to a scored model.

One Spark session serves all Spark steps; training runs on its own Horovod ranks. Progress goes to
stderr; stdout carries one JSON line.
"""

import argparse
import json
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from importlib import import_module
from threading import Thread
from typing import Any

from jobs import fetch
from jobs.progress import describe, describe_checks, pace, say
from jobs.run_record import RunRecord, earlier_results, forget_records
from jobs.steps import STEP_NAMES, STEPS, Journey, Step, position, validate
from pipelines.cli import add_flags, given_flags, keep_private, report_errors
from pipelines.errors import ContractError, GristmillError, ParameterError
from pipelines.explanation.methods import METHODS, NONE, check_methods
from pipelines.layout import Layout
from pipelines.registry.address import check_address
from pipelines.storage.place import is_remote, place
from pipelines.training.parameters import PLACES, TrainParams
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
    training: dict[str, Any] = field(default_factory=dict)
    explain: tuple[str, ...] = ()


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
    command.add_argument(
        "--explain",
        nargs="*",
        default=[],
        help=f"what of {' '.join(METHODS)}, or {NONE}; by default what takes seconds",
    )
    add_flags(command, TrainParams, PLACES)
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
        given_flags(said, TrainParams, PLACES),
        tuple(said.explain),
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
    _check_numbers(params)
    check_methods("--explain", params.explain, spec)
    TrainParams(spec.name, "", "", **params.training)  # refuses what does not fit together
    _check_registry(params, last)
    layout = Layout(params.root, spec.name)
    known = earlier_results(layout, first) if first else {}
    forget_records(layout, first if params.start else len(STEPS))
    journey = Journey(
        spec,
        params.root,
        params.num_processes,
        params.sources,
        params.registry,
        _spark(params.root),
        known,
        params.restarts,
        training=params.training,
        explain=params.explain,
    )
    record = RunRecord(layout, asdict(params))
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


def _check_numbers(params: RunParams) -> None:
    if params.num_processes < 1:
        raise ParameterError(f"--np: expected 1 or more ranks; got {params.num_processes}")
    if params.restarts < 0:
        raise ParameterError(f"--restarts: expected 0 or more; got {params.restarts}")


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


def _spark(root: str) -> Any:
    from pipelines.spark.session import spark_session

    # Great Expectations takes seconds to import; Spark's start is mostly waiting
    Thread(target=import_module, args=("pipelines.quality.runner",), daemon=True).start()
    return spark_session("run", root)


def _take(journey: Journey, step: Step, record: RunRecord) -> None:
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


def _report(layout: Layout, record: RunRecord) -> str:
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
