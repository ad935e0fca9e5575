"""A copy of the project with one more data set, and its command run as a user would."""

import hashlib
import json
import os
import random
import shutil
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import psutil
import pyarrow.parquet as pq

PROJECT = Path(__file__).parents[2]
CODE = ("schemas", "pipelines", "jobs")
DEPOTS = {"north": 12, "south": 3, "east": 7, "west": 5}


@dataclass(frozen=True, slots=True)
class Checkout:
    """Where the copied code and the raw files are."""

    folder: Path

    def command(self, root: Path, *flags: str) -> list[str]:
        """Give the command line that runs the data set under ``root``."""
        raw = self.folder / "raw"
        sources = [f"{name}={raw / name}.csv" for name in ("parcels", "depots")]
        run = [sys.executable, "-m", "jobs.run", "run", "parcels", "--root", str(root)]
        return [*run, "--np", "2", "--sources", *sources, *flags]

    def run(self, root: Path, *flags: str) -> subprocess.CompletedProcess[str]:
        """Run to the end; output is captured."""
        return subprocess.run(
            self.command(root, *flags),
            cwd=self.folder,
            capture_output=True,
            text=True,
            check=False,
            timeout=600,
        )


def make_checkout(folder: Path) -> Checkout:
    """Copy the code, add one contract, and write raw files with all that goes wrong in them."""
    for name in CODE:
        shutil.copytree(PROJECT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(Path(__file__).with_name("parcels.py"), folder / "schemas" / "parcels.py")
    raw = folder / "raw"
    raw.mkdir(parents=True)
    (raw / "parcels.csv").write_text("\n".join(_parcels()) + "\n")
    staff = [f"{depot},{count}" for depot, count in DEPOTS.items()]
    (raw / "depots.csv").write_text("\n".join(["depot,staff", *staff]) + "\n")
    return Checkout(folder)


def _parcels() -> list[str]:
    """3,000 parcels of five days, 30 exact duplicates, 20 later versions, 10 malformed, nulls."""
    draw = random.Random(5)
    lines: list[str] = []
    for number in range(3000):
        depot = draw.choice(list(DEPOTS))
        weight = "" if draw.random() < 0.1 else f"{draw.uniform(0.1, 30):.2f}"
        distance = draw.uniform(1, 900)
        days = distance / 250 + (12 - DEPOTS[depot]) / 6 + draw.gauss(0, 0.7)
        sent_at = f"2026-11-{1 + number % 5:02d}T{number % 24:02d}:30:00Z"
        lines.append(f"{number},{depot},{weight},{distance:.1f},{max(days, 0.1):.2f},{sent_at}")
    repeated = lines[:30]
    later = [_delayed(line) for line in lines[100:120]]
    malformed = [f"x{number},north,1.0,10.0,1.0,2026-11-01T06:00:00Z" for number in range(10)]
    return ["parcel_id,depot,weight,distance,days,sent_at", *lines, *repeated, *later, *malformed]


def _delayed(line: str) -> str:
    cells = line.split(",")
    return ",".join([*cells[:4], "9.99", *cells[5:]])


def kill_tree(process: subprocess.Popen[Any]) -> None:
    """SIGKILL the run and all it started, if it runs: Spark's JVM and the Horovod ranks too."""
    if process.returncode is not None:
        return
    try:
        children = psutil.Process(process.pid).children(recursive=True)
    except psutil.NoSuchProcess:
        children = []
    os.killpg(process.pid, signal.SIGKILL)
    for child in children:
        try:
            child.kill()
        except psutil.NoSuchProcess:
            continue
    process.wait()
    psutil.wait_procs(children, timeout=10)


def contents(root: Path, dataset: str, layer: str, source: str = "") -> str:
    """Digest of a table's rows at its last version, whatever their order and files."""
    folder = root / dataset / layer / source
    commits = sorted((folder / "_delta_log").glob("*.json"))
    added: set[str] = set()
    for commit in commits:
        for line in commit.read_text().splitlines():
            action = json.loads(line)
            added |= {action["add"]["path"]} if "add" in action else set()
            added -= {action["remove"]["path"]} if "remove" in action else set()
    rows: list[str] = []
    for path in added:
        table = pq.ParquetFile(folder / unquote(path)).read()
        # a partition's value stands in the folder's name only
        rows += [f"{Path(path).parent} {sorted(row.items())}" for row in table.to_pylist()]
    digest = hashlib.sha256("\n".join(sorted(rows)).encode()).hexdigest()
    return f"{len(rows)} rows {digest}"
