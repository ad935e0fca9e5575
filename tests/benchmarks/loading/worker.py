"""What a worker and the driver of the loading benchmark say to each other, line by line.

Each way to load runs in a process of its own, in whatever environment it needs, so this module
imports nothing but numpy. The driver writes ``check``, ``count`` or ``epoch``; the worker answers
with JSON.
"""

import json
import os
import resource
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from .counting import Calls, bytes_read, opens_counted

_PRIME = np.uint64(0x9E3779B97F4A7C15)


@dataclass(frozen=True, slots=True)
class Way:
    """One way to load.

    Args:
        epoch: Gives the batches of an epoch, as the framework's tensors.
        arrays: Makes of a batch its rows as (rows, n) arrays of 4-byte numbers, for the check.
        remarks: What else the check has found, by name.
    """

    epoch: Callable[[], Iterator[Any]]
    arrays: Callable[[Any], list[Any]]
    remarks: Callable[[], dict[str, float]] = dict


def serve(make: Callable[[], Way], folder: str) -> None:
    """Answer the driver until it closes our stdin. Whatever else is printed goes to stderr.

    Args:
        make: Makes the way.
        folder: Where the files that it reads lie.
    """
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    way: Way | None = None
    for line in sys.stdin:
        if line.strip() == "count":
            answer = count_epoch(make, folder)
        else:
            way = way or make()
            answer = check(way) if line.strip() == "check" else _drain(way)
        answers.write(json.dumps(answer) + "\n")
        answers.flush()


def count_epoch(make: Callable[[], Way], folder: str) -> dict[str, int]:
    """Count what the second epoch takes: Python's calls, files opened, bytes read."""
    calls = Calls()
    with calls.counted():
        way = make()
        _drain(way)
        with opens_counted(folder) as opens:
            before, read = calls.number, bytes_read()
            _drain(way)
            made, read = calls.number - before, bytes_read() - read
    return {"calls": made, "files_opened": opens.number, "bytes_read": read}


def check(way: Way) -> dict[str, Any]:
    """Count the rows of an epoch and sum their hashes modulo 2^64, which no order changes."""
    count, total = 0, np.uint64(0)
    for batch in way.epoch():
        parts = [np.ascontiguousarray(part).view(np.uint32) for part in way.arrays(batch)]
        bits = np.concatenate(parts, axis=1)
        hashes = np.zeros(len(bits), np.uint64)
        with np.errstate(over="ignore"):
            for column in bits.T.astype(np.uint64):
                hashes = (hashes ^ column) * _PRIME
                hashes ^= hashes >> np.uint64(29)
            total += hashes.sum(dtype=np.uint64)
        count += len(hashes)
    return {"rows": count, "sum": int(total), "remarks": way.remarks()}


def _drain(way: Way) -> dict[str, float]:
    began, cpu = time.perf_counter(), _cpu_s()
    for _ in way.epoch():
        pass
    seconds = time.perf_counter() - began
    return {"seconds": round(seconds, 4), "cpu_s": round(_cpu_s() - cpu, 3)}


def _cpu_s() -> float:
    """Seconds of processor of this process and of its children that have ended."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(one.ru_utime + one.ru_stime for one in used)
