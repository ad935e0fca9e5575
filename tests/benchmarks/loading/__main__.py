"""Measure ways to bring a table into a training, peers among them, in turns.

Usage: python -m tests.benchmarks.loading --features PATH@vN --state STATE.json [--rows 5000000]

Before any speed counts, each way must deliver the same rows: their number and the sum of their
hashes, which no order changes, are compared. Each way runs in a process of its own.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
from pathlib import Path
from typing import Any

from pipelines.state import write_json
from tests.benchmarks.loading.table import make_table
from tests.benchmarks.machine import describe_machine

_REPOSITORY = Path(__file__).parents[3]
_OURS = (
    "pyarrow alone",
    "Gristmill",
    "Gristmill, rows in memory",
    "tf.data over TFRecord",
    "Petastorm as in its README",
)
_PEERS = (
    "torch DataLoader over Parquet",
    "Hugging Face datasets",
    "MosaicML Streaming",
    "LitData",
)
_LIMIT = _OURS[0]
_LONG_S = 60.0


class Worker:
    """A way to load in its own process."""

    def __init__(self, name: str, table: Path, peers: str) -> None:
        if name in _OURS:
            program = [sys.executable, "-m", "tests.benchmarks.loading.ours"]
        else:
            program = [peers, str(Path(__file__).with_name("peers.py"))]
        self.name = name
        self._process = subprocess.Popen(
            [*program, name, str(table)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=_REPOSITORY,
            env={**os.environ, "PYTHONPATH": str(_REPOSITORY), "CUDA_VISIBLE_DEVICES": ""},
        )

    def ask(self, what: str) -> dict[str, Any]:
        """Say ``check`` or ``epoch``, and give the answer."""
        stdin, stdout = self._process.stdin, self._process.stdout
        if stdin is None or stdout is None:
            raise SystemExit(f"{self.name}: expected pipes to the process; got none")
        stdin.write(what + "\n")
        stdin.flush()
        if not (line := stdout.readline()):
            raise SystemExit(f"{self.name}: the process ended with {self._process.wait()}")
        return json.loads(line)

    def close(self) -> None:
        """End the process."""
        if self._process.stdin:
            self._process.stdin.close()
        self._process.wait()


def main() -> None:
    """Check and time each way; print a Markdown table and write ``loading.json``."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--features", required=True, help="features table, path@vN")
    parser.add_argument("--state", required=True, help="its features state, JSON")
    parser.add_argument("--rows", type=int, default=5_000_000, help="rows of the enlarged table")
    parser.add_argument(
        "--rounds", type=int, default=6, help="epochs of each; the first is dropped"
    )
    parser.add_argument("--peers", default="", help="python of the peers' environment, if any")
    parser.add_argument("--output", default="build/benchmarks", help="folder of loading.json")
    said = parser.parse_args()
    output = Path(said.output).absolute()
    table = make_table(output / f"loading-{said.rows}", said.features, said.state, said.rows)
    names = (*_OURS, *(_PEERS if said.peers else ()))
    results = measure(names, Path(table.folder) / "table.json", said.peers, said.rounds)
    for result in results:
        result |= {"rows": table.rows, "columns": len(table.numeric) + len(table.integers)}
    write_json(output / "loading.json", {"machine": describe_machine(), "results": results})
    print(render(results))
    raise SystemExit(not all(result["same_rows"] for result in results))


def measure(names: tuple[str, ...], table: Path, peers: str, rounds: int) -> list[dict[str, Any]]:
    """Check each way, then time them in turns."""
    workers = {name: Worker(name, table, peers) for name in names}
    sums: dict[str, Any] = {}
    for name, worker in workers.items():
        sums[name] = worker.ask("check")
        print(f"checked: {name}: {sums[name]['rows']:,} rows", file=sys.stderr, flush=True)
    taken: dict[str, list[dict[str, float]]] = {name: [] for name in names}
    for number in range(rounds):
        for name, worker in workers.items():
            if number > 1 and taken[name][-1]["seconds"] > _LONG_S:
                continue  # it is far behind: one epoch that counts is enough
            taken[name].append(worker.ask("epoch"))
            print(f"round {number + 1}: {name}: {taken[name][-1]}", file=sys.stderr, flush=True)
    for worker in workers.values():
        worker.close()
    return [
        {
            "way": name,
            "seconds": statistics.median(one["seconds"] for one in epochs[1:]),
            "cpu_s": statistics.median(one["cpu_s"] for one in epochs[1:]),
            "all_seconds": [one["seconds"] for one in epochs],
            "same_rows": sums[name] == sums[_LIMIT],
        }
        for name, epochs in taken.items()
    ]


def render(results: list[dict[str, Any]]) -> str:
    """Give the results as a Markdown table."""
    limit = next(result["seconds"] for result in results if result["way"] == _LIMIT)
    lines = [
        "| way | rows/s | of the limit | processor s | spread | the same rows |",
        "|---|--:|--:|--:|--:|---|",
    ]
    for result in sorted(results, key=lambda result: result["seconds"]):
        seconds, all_seconds = result["seconds"], result["all_seconds"][1:]
        spread = (max(all_seconds) - min(all_seconds)) / seconds
        same = "yes" if result["same_rows"] else "NO"
        lines.append(
            f"| {result['way']} | {result['rows'] / seconds:,.0f} | {limit / seconds:.2f} "
            f"| {result['cpu_s']:.2f} | {spread:.0%} | {same} |"
        )
    return "\n".join(lines)


if __name__ == "__main__":
    main()
