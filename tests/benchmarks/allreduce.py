"""Measure the all-reduce between ranks of this machine against a bare socket between them.

Usage: python -m tests.benchmarks.allreduce [--np 2,4] [--output build/benchmarks]

Both are measured in the same processes, in turns; a round takes as long as its slowest rank. In a
ring all-reduce of B bytes over N ranks each rank sends and receives 2 (N - 1) / N B bytes at the
same time (Patarasuk and Yuan, 2009); the socket carries as many bytes both ways between a rank and
its neighbours. Many small tensors are sent fused into one buffer, as a training does, each by
itself (HOROVOD_FUSION_THRESHOLD=0), and each after the other's result.

Another launcher can start the ranks: ``mpirun -np 2 python -m tests.benchmarks.allreduce --rank``
prints the rows as JSON.
"""

import argparse
import json
import os
import socket
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipelines.state import write_json
from pipelines.training.launcher import is_rank, launch
from tests.benchmarks.machine import describe_machine

_SIZES = (4 * 2**10, 64 * 2**10, 2**20, 4 * 2**20, 16 * 2**20, 64 * 2**20, 128 * 2**20)
_BYTES_PER_SIZE = 2**29
_FEWEST, _MOST, _WARM_UP = 11, 500, 5
_PARTS, _PART_BYTES = 64, 64 * 2**10
_GROUP = f"{_PARTS} x {_PART_BYTES // 2**10} KiB"
_UNFUSED = "HOROVOD_FUSION_THRESHOLD"
# what a kernel takes without a reader on the other side
_FITS_BYTES = 64 * 2**10


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table: quartiles over ``rounds``, seconds."""

    what: str
    num_bytes: int
    rounds: int
    allreduce_s: tuple[float, float, float]
    socket_s: tuple[float, float, float]


def main() -> None:
    """Launch the ranks, print Markdown tables and write ``allreduce.json``."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--np", default="2,4", help="numbers of ranks, comma-separated")
    parser.add_argument("--output", default="build/benchmarks", help="folder of allreduce.json")
    parser.add_argument("--rank", action="store_true", help="play a rank of another launcher")
    said = parser.parse_args()
    if said.rank or is_rank():
        _measure()
        return
    results: dict[str, list[dict[str, Any]]] = {}
    program = [sys.executable, "-m", "tests.benchmarks.allreduce"]
    for ranks in (int(text) for text in said.np.split(",")):
        rows = json.loads(launch(program, ranks).splitlines()[-1])
        os.environ[_UNFUSED] = "0"
        rows += json.loads(launch(program, ranks).splitlines()[-1])
        del os.environ[_UNFUSED]
        results[str(ranks)] = rows
        print(_table(rows, ranks), end="\n\n", flush=True)
    write_json(
        Path(said.output).absolute() / "allreduce.json",
        {"machine": describe_machine(), "rows_of_ranks": results},
    )


def _table(rows: list[dict[str, Any]], ranks: int) -> str:
    share = 2 * (ranks - 1) / ranks
    lines = [
        f"| {ranks} ranks | all-reduce (quartiles) | sends | bare socket (quartiles) | share |",
        "|---|--:|--:|--:|--:|",
    ]
    for row in rows:
        median_s, socket_s = row["allreduce_s"][1], row["socket_s"][1]
        lines.append(
            f"| {row['what']} | {_quartiles(row['allreduce_s'])} "
            f"| {share * row['num_bytes'] / median_s / 1e9:.2f} GB/s "
            f"| {_quartiles(row['socket_s'])} | {socket_s / median_s:.2f} |"
        )
    return "\n".join(lines)


def _quartiles(seconds: list[float]) -> str:
    low, median, high = (f"{1000 * value:.2f}" for value in seconds)
    return f"{median} ms ({low} to {high})"


def _measure() -> None:
    """Play one rank; the root prints the rows as one JSON line."""
    from pipelines.training import distributed  # noqa: PLC0415  the launcher must start at once

    world = distributed.start()
    ring = _Ring(world.rank, world.size, distributed.gather_rows)
    rows: list[Row] = []
    for what, num_bytes, reduce in _reductions(is_fused=os.environ.get(_UNFUSED) != "0"):
        rounds = min(max(_BYTES_PER_SIZE // num_bytes, _FEWEST), _MOST)
        wire = 2 * (world.size - 1) * num_bytes // world.size
        nanoseconds: list[int] = []
        for _ in range(_WARM_UP + rounds):
            nanoseconds += [_timed(reduce), _timed(partial(ring.exchange, wire))]
        of_ranks = distributed.gather_rows(np.array(nanoseconds), "nanoseconds")
        slowest = of_ranks.max(axis=0).reshape(-1, 2)[_WARM_UP:]
        rows.append(Row(what, num_bytes, rounds, *_quartiles_of(slowest)))
    if world.is_root:
        print(json.dumps([asdict(row) for row in rows]))
    distributed.stop()


def _reductions(*, is_fused: bool) -> list[tuple[str, int, Callable[[], Any]]]:
    """Give what is measured: its name, the bytes of a rank, and the call."""
    import horovod.tensorflow  # noqa: PLC0415
    import tensorflow as tf  # noqa: PLC0415

    hvd: Any = horovod.tensorflow
    parts = [tf.ones(_PART_BYTES // 4, tf.float32) for _ in range(_PARTS)]

    def group() -> None:
        hvd.grouped_allreduce(parts, name="group", op=hvd.Sum)

    def one_by_one() -> None:
        for number, part in enumerate(parts):
            hvd.allreduce(part, name=f"part/{number}", op=hvd.Sum)

    def whole(size: int) -> tuple[str, int, Callable[[], Any]]:
        name = f"{size // 2**10} KiB" if size < 2**20 else f"{size // 2**20} MiB"
        tensor = tf.ones(size // 4, tf.float32)
        return name, size, lambda: hvd.allreduce(tensor, name="one", op=hvd.Sum)

    many = _PARTS * _PART_BYTES
    if not is_fused:
        return [(f"{_GROUP}, in one group, not fused", many, group)]
    return [
        *map(whole, _SIZES),
        (f"{_GROUP}, in one group, fused", many, group),
        (f"{_GROUP}, one by one", many, one_by_one),
    ]


def _quartiles_of(nanoseconds: NDArray[np.int64]) -> list[tuple[float, float, float]]:
    """Give the quartiles of each column, seconds."""
    low, median, high = np.quantile(nanoseconds / 1e9, [0.25, 0.5, 0.75], axis=0).tolist()
    return list(zip(low, median, high, strict=True))


def _timed(run: Callable[[], Any]) -> int:
    # eager operations return when their result is there
    started = time.perf_counter_ns()
    run()
    return time.perf_counter_ns() - started


class _Ring:
    """A TCP connection on loopback from each rank to the next one."""

    def __init__(self, rank: int, size: int, gather: Callable[[Any, str], Any]) -> None:
        with socket.create_server(("127.0.0.1", 0)) as server:
            ports = gather(np.array([server.getsockname()[1]]), "ports")[:, 0]
            self._next = socket.create_connection(("127.0.0.1", int(ports[(rank + 1) % size])))
            self._previous, _ = server.accept()
        self._next.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        # written once, so that it is memory that is sent and not the kernel's one page of zeros
        self._out = memoryview(bytearray(b"1") * (2 * max(_SIZES)))
        self._in = memoryview(bytearray(b"1") * (2 * max(_SIZES)))

    def exchange(self, num_bytes: int) -> None:
        """Send so many bytes to the next rank while as many come from the one before."""
        if num_bytes <= _FITS_BYTES:
            self._next.sendall(self._out[:num_bytes])
            self._receive(num_bytes)
            return
        sender = threading.Thread(target=self._next.sendall, args=(self._out[:num_bytes],))
        sender.start()
        self._receive(num_bytes)
        sender.join()

    def _receive(self, num_bytes: int) -> None:
        got = 0
        while got < num_bytes:
            got += self._previous.recv_into(self._in[got:num_bytes])


if __name__ == "__main__":
    main()
