"""A rank's signs of life, in a file that its launcher reads.

A rank that hangs ends nobody: the others wait for it in the next all-reduce, and only who sees all
of them can tell which one it is. A thread writes the time, so that a stopped process is seen; the
count of steps shows a process that lives and gets nowhere.
"""

import os
import struct
import threading
import time
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

VARIABLE = "GRISTMILL_HEARTBEAT"
_RECORD = struct.Struct("<dq")
_EVERY_S = 0.5


@dataclass(frozen=True, slots=True)
class Beat:
    """When a rank last wrote, in seconds of the machine's monotonic clock, and its steps so far."""

    time_s: float
    steps: int


class Heartbeat:
    """Counts steps; call it before each."""

    def __init__(self) -> None:
        self.steps = 0

    def __call__(self) -> None:
        """Count one step."""
        self.steps += 1


@contextmanager
def heartbeat() -> Generator[Heartbeat]:
    """Write this process's signs of life until the end of the block, where a launcher wants them.

    Yields:
        What counts the steps.
    """
    beat = Heartbeat()
    path = os.environ.get(VARIABLE)
    if not path:
        yield beat
        return
    is_over = threading.Event()
    thread = threading.Thread(target=_write, args=(Path(path), beat, is_over), daemon=True)
    thread.start()
    try:
        yield beat
    finally:
        is_over.set()
        thread.join()
        Path(path).unlink(missing_ok=True)  # what comes after the steps is not watched


def _write(path: Path, beat: Heartbeat, is_over: threading.Event) -> None:
    with path.open("wb", buffering=0) as file:
        while True:
            # one short write: a reader sees the old record or the new one
            os.pwrite(file.fileno(), _RECORD.pack(time.monotonic(), beat.steps), 0)
            if is_over.wait(_EVERY_S):
                return


def read_beat(path: Path) -> Beat | None:
    """Give what a rank has written; None before the first time and after the last."""
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        return None
    return Beat(*_RECORD.unpack(content)) if len(content) == _RECORD.size else None
