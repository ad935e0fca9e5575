"""Ways to load, each in a process of its own: checked, counted, then timed in turns."""

import json
import os
import statistics
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipelines.state import read_json

_REPOSITORY = Path(__file__).parents[3]
_LONG_S = 60.0


@dataclass(frozen=True, slots=True)
class Benchmark:
    """What is compared.

    Args:
        room: The folder of its programs, ``ours.py`` and ``peers.py``.
        ours: Ways of ``ours.py``, which runs in the project's environment; the first is the limit.
        peers: Ways of ``peers.py``, which runs in the peers' environment.
        counted: Ways whose calls and files are counted, which takes several epochs' time.
        need_peers: Ways of ``ours.py`` that use a library which lies beside the peers.
        unit: What rows are called.
    """

    room: str
    ours: tuple[str, ...]
    peers: tuple[str, ...]
    counted: tuple[str, ...]
    need_peers: tuple[str, ...] = ()
    unit: str = "rows"

    @property
    def limit(self) -> str:
        """The way that does nothing but read and decode."""
        return self.ours[0]

    def ways(self, peers: str) -> list[str]:
        """Give the ways that can run with that python of the peers, or without one."""
        if peers:
            return [*self.ours, *self.peers]
        return [name for name in self.ours if name not in self.need_peers]


class Worker:
    """A way to load in its own process.

    Args:
        benchmark: What it belongs to.
        name: The way.
        table: The JSON file that describes the table.
        peers: The python of the peers' environment.
    """

    def __init__(self, benchmark: Benchmark, name: str, table: Path, peers: str) -> None:
        if name in benchmark.ours:
            # OpenCV, which Petastorm's codec needs, lies beside the peers
            paths = [str(_REPOSITORY), *([str(Path(peers).parents[1] / "opencv")] if peers else [])]
            command = [sys.executable, "-m", f"tests.benchmarks.loading.{benchmark.room}.ours"]
        else:
            paths = [str(_REPOSITORY / "tests" / "benchmarks")]
            command = [peers, "-m", f"loading.{benchmark.room}.peers"]
        self.name = name
        self._process = subprocess.Popen(
            [*command, name, str(table)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=_REPOSITORY,
            env={**os.environ, "PYTHONPATH": ":".join(paths), "CUDA_VISIBLE_DEVICES": ""},
        )

    def ask(self, what: str) -> dict[str, Any]:
        """Say ``check``, ``count`` or ``epoch``, and give the answer."""
        stdin, stdout = self._process.stdin, self._process.stdout
        if stdin is None or stdout is None:
            raise SystemExit(f"{self.name}: expected pipes to the process; got none")
        stdin.write(what + "\n")
        stdin.flush()
        if not (line := stdout.readline()):
            raise SystemExit(f"{self.name}: the process ended with {self._process.wait()}")
        answer = json.loads(line)
        print(f"{what}: {self.name}: {answer}", file=sys.stderr, flush=True)
        return answer

    def close(self) -> None:
        """End the process."""
        if self._process.stdin:
            self._process.stdin.close()
        self._process.wait()


def measure(benchmark: Benchmark, table: Path, peers: str, rounds: int) -> list[dict[str, Any]]:
    """Check each way, count, then time them in turns.

    Args:
        benchmark: The ways.
        table: The JSON file that describes the table.
        peers: The python of the peers' environment, or nothing: then without them.
        rounds: Epochs of each way, of which the first is dropped; one that takes longer than a
            minute is timed twice.

    Raises:
        SystemExit: The limit itself gave other rows or images: nothing can be held against it.
    """
    names = benchmark.ways(peers)
    workers = {name: Worker(benchmark, name, table, peers) for name in names}
    checks = {name: worker.ask("check") for name, worker in workers.items()}
    limit, rows = checks[benchmark.limit], read_json(table)["rows"]
    if limit["rows"] != rows or not _is_same(limit, limit):
        raise SystemExit(
            f"{benchmark.limit}: expected each of {rows:,} rows, images with Pillow's pixels; got "
            f"{limit}; remove {table.parent}, so that it is made anew"
        )
    counts: dict[str, dict[str, Any]] = {}
    for name in benchmark.counted:
        if name in names:
            worker = Worker(benchmark, name, table, peers)
            counts[name] = worker.ask("count")
            worker.close()
    taken: dict[str, list[dict[str, float]]] = {name: [] for name in names}
    for number in range(rounds):
        for name, worker in workers.items():
            if number > 1 and taken[name][-1]["seconds"] > _LONG_S:
                continue  # it is far behind: one epoch that counts is enough
            taken[name].append(worker.ask("epoch"))
    for worker in workers.values():
        worker.close()
    return [
        {
            "way": name,
            "seconds": statistics.median(one["seconds"] for one in epochs[1:]),
            "cpu_s": statistics.median(one["cpu_s"] for one in epochs[1:]),
            "all_seconds": [one["seconds"] for one in epochs],
            "same": _is_same(checks[name], limit),
            "remarks": checks[name]["remarks"],
            "counts": counts.get(name),
        }
        for name, epochs in taken.items()
    ]


def _is_same(check: dict[str, Any], limit: dict[str, Any]) -> bool:
    """Say whether a way gave each row of the table once, and the images of its rows."""
    same = (check["rows"], check["sum"]) == (limit["rows"], limit["sum"])
    return same and not check["remarks"].get("different", 0)
