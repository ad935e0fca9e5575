"""A rank's signs of life, in a file that its launcher reads; without one, it watches itself.

A rank that hangs ends nobody: the others wait for it in the next all-reduce, and only who sees all
of them can tell which one it is. A thread writes the time, so that a stopped process is seen; the
count of steps shows a process that lives and gets nowhere. Under horovodrun or Spark nobody reads
the file: there each rank ends itself when its count has not moved for too long, and says the count.
"""

import os
import struct
import sys
import threading
import time
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

from pipelines.cli import EXIT_ERROR
from pipelines.world import World

VARIABLE = "GRISTMILL_HEARTBEAT"
# what a rank says that ends because of another one
LOST_OTHERS = "had to stop"
# a first step is traced for seconds, and a slow disk may take long for a row group
HANG_S = 120.0
_RECORD = struct.Struct("<dq")
_EVERY_S = 0.5
_ALONE = World(0, 1)


@dataclass(frozen=True, slots=True)
class Beat:
    """When a rank last wrote, in seconds of the machine's monotonic clock, and its steps so far."""

    time_s: float
    steps: int


class Heartbeat:
    """Counts steps; call it before each. ``moved_s`` is the monotonic time of the last one."""

    def __init__(self) -> None:
        self.steps, self.moved_s = 0, time.monotonic()

    def __call__(self) -> None:
        """Count one step."""
        self.steps += 1
        self.moved_s = time.monotonic()


@contextmanager
def heartbeat(world: World = _ALONE, hang_s: float = HANG_S) -> Generator[Heartbeat]:
    """Give signs of life until the end of the block; what comes after it is not watched.

    Where a launcher wants them, they are written for it. Else one of several ranks watches itself,
    and ends its process with one line on stderr after ``hang_s`` seconds without a step.

    Args:
        world: This rank.
        hang_s: Seconds; not looked at where a launcher watches, or where there is one rank.

    Yields:
        What counts the steps.
    """
    beat, is_over = Heartbeat(), threading.Event()
    path = os.environ.get(VARIABLE)
    if path:
        thread = threading.Thread(target=_write, args=(Path(path), beat, is_over), daemon=True)
    elif world.size > 1:
        thread = threading.Thread(target=_watch, args=(beat, is_over, world, hang_s), daemon=True)
    else:
        yield beat
        return
    thread.start()
    try:
        yield beat
    finally:
        is_over.set()
        thread.join()
        if path:
            Path(path).unlink(missing_ok=True)


def _write(path: Path, beat: Heartbeat, is_over: threading.Event) -> None:
    with path.open("wb", buffering=0) as file:
        while True:
            # one short write: a reader sees the old record or the new one
            os.pwrite(file.fileno(), _RECORD.pack(time.monotonic(), beat.steps), 0)
            if is_over.wait(_EVERY_S):
                return


def _watch(beat: Heartbeat, is_over: threading.Event, world: World, hang_s: float) -> None:
    while not is_over.wait(_EVERY_S):
        if (waited_s := time.monotonic() - beat.moved_s) > hang_s:
            _give_up(beat.steps, waited_s, world)


def _give_up(steps: int, waited_s: float, world: World) -> NoReturn:
    sys.stderr.write(
        f"error: rank {world.rank} of {world.size} {LOST_OTHERS}: expected a step; none was begun "
        f"for {waited_s:.0f} s, after {steps} steps. The rank with the fewest steps is the one "
        "that the others wait for: look there for what hangs (a slow disk?), and run again to go "
        "on from the last checkpoint\n"
    )
    sys.stderr.flush()
    # the main thread hangs, perhaps inside Horovod: nothing that waits for it may come before
    os._exit(EXIT_ERROR)


def read_beat(path: Path) -> Beat | None:
    """Give what a rank has written; None before the first time and after the last."""
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        return None
    return Beat(*_RECORD.unpack(content)) if len(content) == _RECORD.size else None
