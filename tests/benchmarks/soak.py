"""Train for hours on two ranks and see that memory, open files and checkpoints stay as they are.

Usage: python -m tests.benchmarks.soak --features PATH@vN --state STATE.json [--minutes 120]

The training is ended like a job that somebody stops. Growth is the slope of a line through the
resident memory of each rank, by least squares, after the first tenth of the time: then buffers are
full and TensorFlow has traced what it traces. Exit code 0 only if memory grows by less than 5 % an
hour, no rank opens more files, and checkpoints do not pile up.
"""

import argparse
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import psutil

from pipelines.state import write_json
from pipelines.tables.version import parse_version
from tests.benchmarks.machine import describe_machine

_PERIOD_S = 10.0
_MAX_GROWTH = 5.0
_REPOSITORY = Path(__file__).parents[2]


@dataclass
class Course:
    """What was seen of one rank: seconds since the start, resident MB, open descriptors."""

    at: list[float] = field(default_factory=list)
    resident_mb: list[float] = field(default_factory=list)
    descriptors: list[int] = field(default_factory=list)

    def settled(self) -> slice:
        return slice(len(self.at) // 10, None)

    def growth(self) -> float:
        """Percent an hour."""
        hours = np.array(self.at[self.settled()]) / 3600
        resident = np.array(self.resident_mb[self.settled()])
        slope = np.polyfit(hours, resident, 1)[0]
        return float(100 * slope / resident.mean())


def main() -> None:
    """Train, sample, print a Markdown table, write ``soak.json``."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--features", required=True, help="features table, path@vN")
    parser.add_argument("--state", required=True, help="its features state, JSON")
    parser.add_argument("--np", type=int, default=2, help="ranks")
    parser.add_argument("--minutes", type=float, default=120)
    parser.add_argument("--output", default="build/benchmarks", help="folder of soak.json")
    said = parser.parse_args()
    with tempfile.TemporaryDirectory() as root:
        lake = _copy(said.features, Path(root))
        found, files, epochs = _soak(said, lake)
    ranks = {str(pid): vars(course) for pid, course in found.items()}
    value = {"machine": describe_machine(), "minutes": said.minutes, "epochs": epochs}
    write_json(Path(said.output).absolute() / "soak.json", value | {"files": files, "ranks": ranks})
    print(f"{said.minutes:g} minutes, {epochs} epochs, {files[-1]} files in its folder at the end")
    print("| rank | resident | growth an hour | open files |\n|---|--:|--:|--:|")
    is_good = len(found) == said.np and files[-1] <= max(files[: len(files) // 10 + 1]) + 2
    for number, course in enumerate(found.values()):
        opened = course.descriptors[course.settled()]
        is_good &= course.growth() < _MAX_GROWTH and opened[-1] <= opened[0]
        print(
            f"| {number} | {course.resident_mb[-1]:,.0f} MB | {course.growth():+.2f} % "
            f"| {min(opened)} to {max(opened)} |"
        )
    if not is_good:
        raise SystemExit("soak: something grows; see the table and soak.json")


def _copy(features: str, root: Path) -> Path:
    """Give a lake of its own, so that nothing is left in the one that was given."""
    table = Path(parse_version(features).path).absolute()
    lake, dataset = table.parents[2], table.parents[1].name
    for part in ("features", "ledger"):
        shutil.copytree(lake / dataset / part, root / "lake" / dataset / part)
    return root / "lake"


def _soak(said: argparse.Namespace, lake: Path) -> tuple[dict[int, Course], list[int], int]:
    table = parse_version(said.features)
    dataset = Path(table.path).parents[1].name
    command = [sys.executable, "jobs/train.py", "--np", str(said.np), "--dataset", dataset]
    command += ["--features", f"{lake}/{dataset}/features/{Path(table.path).name}@v{table.version}"]
    command += ["--state", said.state, "--root", str(lake), "--epochs", "10000", "--patience", "0"]
    found: dict[int, Course] = {}
    files: list[int] = []
    with subprocess.Popen(command, cwd=_REPOSITORY, stdout=subprocess.DEVNULL) as training:
        began = time.monotonic()
        while training.poll() is None and time.monotonic() - began < 60 * said.minutes:
            time.sleep(_PERIOD_S)
            _sample(training.pid, time.monotonic() - began, found)
            files.append(sum(path.is_file() for path in lake.glob("*/trainings/**/*")))
        if training.poll() is not None:
            raise SystemExit(f"soak: the training ended by itself, exit code {training.returncode}")
        training.send_signal(signal.SIGTERM)
    kept = lake.glob("*/trainings/*/checkpoints/epoch-*-step-*.npz")
    epochs = max((int(path.name.split("-")[1]) for path in kept), default=0)
    ranks = sorted(found, key=lambda pid: len(found[pid].at), reverse=True)[: said.np]
    return {pid: found[pid] for pid in ranks}, files, epochs


def _sample(launcher: int, at: float, found: dict[int, Course]) -> None:
    for child in psutil.Process(launcher).children():
        try:
            resident, descriptors = child.memory_info().rss / 1e6, child.num_fds()
        except psutil.Error:  # it has just ended
            continue
        course = found.setdefault(child.pid, Course())
        course.at.append(at)
        course.resident_mb.append(resident)
        course.descriptors.append(descriptors)


if __name__ == "__main__":
    main()
