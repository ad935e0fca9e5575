"""Measure the all-reduce between ranks of this machine against a bare socket between them.

Usage: python -m tests.benchmarks.allreduce [--np 2] [--output build/benchmarks]

Both are measured in the same two (or more) processes, in turns. In a ring all-reduce of B bytes
over N ranks each rank sends and receives 2 (N - 1) / N B bytes at the same time (Patarasuk and
Yuan, 2009); the socket carries as many bytes both ways between a rank and its neighbours.
"""

import argparse
import json
import socket
import statistics
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from pipelines.state import write_json
from pipelines.training.launcher import is_rank, launch
from tests.benchmarks.machine import describe_machine

_SIZES = (4 * 2**10, 64 * 2**10, 2**20, 4 * 2**20, 16 * 2**20, 64 * 2**20, 128 * 2**20)
_BYTES_PER_SIZE = 2**28
_FEWEST, _MOST = 7, 300
_PARTS, _PART_BYTES = 64, 64 * 2**10


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table: medians over ``rounds``, seconds."""

    what: str
    num_bytes: int
    rounds: int
    allreduce_s: float
    socket_s: float


def main() -> None:
    """Launch the ranks, print a Markdown table and write ``allreduce.json``."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--np", type=int, default=2, help="ranks")
    parser.add_argument("--output", default="build/benchmarks", help="folder of allreduce.json")
    said = parser.parse_args()
    printed = launch([sys.executable, "-m", "tests.benchmarks.allreduce"], said.np)
    rows: list[dict[str, Any]] = json.loads(printed.splitlines()[-1])
    machine = {"machine": describe_machine(), "ranks": said.np}
    write_json(Path(said.output).absolute() / "allreduce.json", {**machine, "results": rows})
    print(_table(rows, said.np))


def _table(rows: list[dict[str, Any]], ranks: int) -> str:
    share = 2 * (ranks - 1) / ranks
    lines = [
        f"| {ranks} ranks | all-reduce | sent by a rank | bare socket, as many bytes | share |",
        "|---|--:|--:|--:|--:|",
    ]
    for row in rows:
        speed = share * row["num_bytes"] / row["allreduce_s"] / 1e9
        lines.append(
            f"| {row['what']} | {1000 * row['allreduce_s']:.2f} ms | {speed:.2f} GB/s "
            f"| {1000 * row['socket_s']:.2f} ms | {row['socket_s'] / row['allreduce_s']:.2f} |"
        )
    return "\n".join(lines)


def _measure() -> None:
    """Play one rank; the root prints the rows as one JSON line."""
    import horovod.tensorflow  # noqa: PLC0415  the launcher must start at once
    import tensorflow as tf  # noqa: PLC0415

    from pipelines.training import distributed  # noqa: PLC0415

    hvd: Any = horovod.tensorflow
    world = distributed.start()
    ring = _Ring(world.rank, world.size, distributed.gather_rows)
    rows: list[Row] = []

    def compare(what: str, num_bytes: int, reduce: Callable[[], Any]) -> None:
        rounds = min(max(_BYTES_PER_SIZE // num_bytes, _FEWEST), _MOST)
        wire = 2 * (world.size - 1) * num_bytes // world.size
        reduced, exchanged = [], []
        for _ in range(rounds + 2):
            reduced.append(_timed(reduce))
            exchanged.append(_timed(lambda: ring.exchange(wire)))
        both = [statistics.median(values[2:]) for values in (reduced, exchanged)]
        slowest = distributed.gather_rows(np.array([int(1e9 * s) for s in both]), "slowest")
        rows.append(Row(what, num_bytes, rounds, *(float(s) / 1e9 for s in slowest.max(axis=0))))

    for size in _SIZES:
        tensor = tf.ones(size // 4, tf.float32)
        name = f"{size // 2**10} KiB" if size < 2**20 else f"{size // 2**20} MiB"
        compare(name, size, lambda t=tensor: hvd.allreduce(t, name="one", op=hvd.Sum).numpy())
    parts = [tf.ones(_PART_BYTES // 4, tf.float32) for _ in range(_PARTS)]
    whole, words = _PARTS * _PART_BYTES, f"{_PARTS} x {_PART_BYTES // 2**10} KiB"
    compare(
        f"{words}, in one group",
        whole,
        # the call is what is timed
        lambda: hvd.grouped_allreduce(parts, name="group", op=hvd.Sum)[-1].numpy(),  # noqa: PLW0108
    )
    compare(
        f"{words}, one by one",
        whole,
        lambda: [
            hvd.allreduce(part, name=f"part/{number}", op=hvd.Sum).numpy()
            for number, part in enumerate(parts)
        ],
    )
    if world.is_root:
        print(json.dumps([asdict(row) for row in rows]))
    distributed.stop()


def _timed(run: Callable[[], Any]) -> float:
    started = time.perf_counter()
    run()
    return time.perf_counter() - started


class _Ring:
    """A TCP connection on loopback from each rank to the next one."""

    def __init__(self, rank: int, size: int, gather: Callable[[Any, str], Any]) -> None:
        with socket.create_server(("127.0.0.1", 0)) as server:
            ports = gather(np.array([server.getsockname()[1]]), "ports")[:, 0]
            self._next = socket.create_connection(("127.0.0.1", int(ports[(rank + 1) % size])))
            self._previous, _ = server.accept()
        self._out = bytes(2 * max(_SIZES))
        self._in = bytearray(2 * max(_SIZES))

    def exchange(self, num_bytes: int) -> None:
        """Send so many bytes to the next rank while as many come from the one before."""
        view = memoryview(self._out)[:num_bytes]
        sender = threading.Thread(target=self._next.sendall, args=(view,))
        sender.start()
        got, into = 0, memoryview(self._in)
        while got < num_bytes:
            got += self._previous.recv_into(into[got:num_bytes])
        sender.join()


if __name__ == "__main__":
    if is_rank():
        _measure()
    else:
        main()
