"""Programs of seconds that write what the pipeline keeps without Spark, for states on the way.

Run as ``python -m tests.faults.writers KIND FOLDER``; what each has written, and how it is read and
gone on with, stands beside it. With ``--serve`` in place of the folder it goes on with the folders
that it reads from stdin, each in a fork: MLflow keeps what it has opened.
"""

import json
import os
import sys
from collections.abc import Callable
from dataclasses import asdict
from importlib import import_module
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from pipelines.layout import Layout
from pipelines.quality.report import QualityReport
from pipelines.registry.package import Contents, build_package, open_package
from pipelines.registry.store import Logged, add_version, crown, find_champion, open_registry
from pipelines.step import StepResult
from pipelines.tables.ledger_table import account_for, read_ledger
from pipelines.training.checkpoint import Checkpoints, Progress, restore

NUM_EPOCHS, NUM_ENTRIES, NUM_VERSIONS = 12, 12, 2


class Kind(NamedTuple):
    """How a folder is written, whole; what may be seen in it on the way, and what at the end."""

    write: Callable[[Path], None]
    see: Callable[[Path], Any]
    on_the_way: tuple[Any, ...]
    end: Any


def _state(epoch: int) -> list[Any]:
    import keras  # noqa: PLC0415  seconds, and threads, that the others do without

    return [keras.Variable(np.full(300, epoch, np.float32))]


def write_checkpoints(folder: Path) -> None:
    """Train on from the last checkpoint; every third epoch is the best so far."""
    checkpoints = Checkpoints(folder)
    found = checkpoints.load("last")
    for epoch in range(found[1].epoch + 1 if found else 1, NUM_EPOCHS + 1):
        checkpoints.save(_state(epoch), Progress(epoch, epoch - epoch % 3 or epoch, 0.5))
    checkpoints.wait()


def see_checkpoints(folder: Path) -> tuple[int, int]:
    """Give the epochs whose weights the last and the best checkpoint hold."""
    seen: list[int] = []
    for which in ("last", "best"):
        found = Checkpoints(folder).load(which)
        variables = _state(0)
        if found:
            restore(variables, found[0])
        seen.append(int(np.unique(variables[0].numpy()).item()))
    return seen[0], seen[1]


def write_ledger(folder: Path) -> None:
    """Enter verdicts, those that are there already once more."""
    for number in range(NUM_ENTRIES):
        report = asdict(QualityReport(f"{folder}/tiny/raw/rides@v0", "s", number % 2 == 0, ()))
        result = StepResult("validate-raw", "tiny", f"{number}", details={"reports": [report]})
        account_for(result, Layout(str(folder), "tiny"))


def see_ledger(folder: Path) -> tuple[tuple[str, bool], ...]:
    """Give the runs of the entries and their verdicts."""
    return tuple((row["run"], row["passed"]) for row in read_ledger(Layout(str(folder), "tiny")))


def write_registry(folder: Path) -> None:
    """Register trainings and crown each; those that are there already stay as they are."""
    opened = open_registry("", folder / "registry")
    for number in range(1, NUM_VERSIONS + 1):
        package = folder / f"package-{number}"
        source = folder / "weights"
        source.parent.mkdir(exist_ok=True)
        source.write_text(f"{number}" * 100)
        digest = build_package(package, Contents({"model.keras": source}, {"name": "tiny"}))
        logged = Logged({}, {"auc": 0.5}, {"manifest_sha256": digest, "number": f"{number}"})
        version = add_version(opened, "tiny", f"training-{number}", package, logged)
        former = find_champion(opened, "tiny")
        if former is None or former.number < version.number:
            crown(opened, version)


def see_registry(folder: Path) -> int:
    """Give the number of the champion whose package is whole; 0 if there is none."""
    if not (folder / "registry" / "mlflow.db").exists():
        return 0
    found = find_champion(open_registry("", folder / "registry"), "tiny")
    if found is None:
        return 0
    open_package(found.folder, found.tags["manifest_sha256"])
    return int(found.tags["number"])


def _epochs() -> tuple[Any, ...]:
    return ((0, 0), *((epoch, epoch - epoch % 3 or epoch) for epoch in range(1, 3)),
            *((epoch, epoch - epoch % 3) for epoch in range(3, NUM_EPOCHS + 1)))  # fmt: skip


def _entries(count: int) -> tuple[Any, ...]:
    return tuple((f"{number}", number % 2 == 0) for number in range(count))


KINDS = {
    "checkpoints": Kind(
        write_checkpoints, see_checkpoints, _epochs(), (NUM_EPOCHS, NUM_EPOCHS - NUM_EPOCHS % 3)
    ),
    "ledger": Kind(
        write_ledger,
        see_ledger,
        tuple(_entries(count) for count in range(NUM_ENTRIES + 1)),
        _entries(NUM_ENTRIES),
    ),
    "registry": Kind(write_registry, see_registry, tuple(range(NUM_VERSIONS + 1)), NUM_VERSIONS),
}


def serve(kind: Kind) -> None:
    """Answer each folder with what is seen in it before and after it is gone on with."""
    import_module("mlflow.store.tracking.sqlalchemy_store")  # once for all forks

    for line in sys.stdin:
        child = os.fork()
        if not child:
            folder = Path(line.rstrip("\n"))
            before = kind.see(folder)
            kind.write(folder)
            print(json.dumps([before, kind.see(folder)]), flush=True)
            os._exit(0)
        os.waitpid(child, 0)


if __name__ == "__main__":
    if sys.argv[2] == "--serve":
        serve(KINDS[sys.argv[1]])
    else:
        KINDS[sys.argv[1]].write(Path(sys.argv[2]))
