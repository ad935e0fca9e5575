"""Counts of what an epoch takes, which other work on the machine does not change."""

import ctypes
import mmap
import os
import select
import struct
import sys
import threading
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_SLOTS = 2**16
# who waits asks again and again, more often where the machine is busy
_WAITING = {
    "Condition.wait",
    "ConcurrentVentilator._ventilate",
    "Queue.get",
    "Queue.put",
    "ThreadPool.get_results",
    "Thread.join",
}
_POLL_S = 0.05
_EVENT = struct.Struct("iIII")  # see inotify(7); a name follows, as long as the last number says
_IN_ACCESS, _IN_CLOSE, _IN_OPEN, _IN_Q_OVERFLOW, _IN_ISDIR = 0x1, 0x18, 0x20, 0x4000, 0x40000000


class Calls:
    """Counts the calls of Python and C functions that Python code makes.

    Those of threads that are started meanwhile count, and of processes that are forked: each
    thread has a slot of its own, in memory that they share. What is called in order to wait (for a
    queue, or for Petastorm's pool) is left out.
    """

    def __init__(self) -> None:
        self._depths: dict[int, int] = {}  # of calls inside a waiting one, by thread
        self._slots = memoryview(mmap.mmap(-1, 8 * _SLOTS)).cast("Q")

    @property
    def number(self) -> int:
        """Calls so far."""
        return sum(self._slots)

    @contextmanager
    def counted(self) -> Generator[None]:
        """Count from here on to the end; threads that run already are left out."""
        threading.setprofile(self._note)
        sys.setprofile(self._note)
        try:
            yield
        finally:
            sys.setprofile(None)
            threading.setprofile(None)

    def _note(self, frame: Any, event: str, argument: Any) -> None:
        thread = threading.get_native_id() % _SLOTS
        depth = self._depths.get(thread, 0)
        if event == "call" and (depth or frame.f_code.co_qualname in _WAITING):
            self._depths[thread] = depth + 1
        elif event == "return" and depth:
            self._depths[thread] = depth - 1
        elif not depth and event in ("call", "c_call"):
            self._slots[thread] += 1


@dataclass(slots=True)
class Opens:
    """How often files were opened."""

    number: int = 0


@contextmanager
def opens_counted(folder: str) -> Generator[Opens]:
    """Count how often files under ``folder`` are opened, by whatever process; ready at the end.

    Raises:
        OSError: The folder can't be watched, or more happens than can be noted.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    events = libc.inotify_init1(os.O_CLOEXEC)
    # of two like events in a row the kernel keeps one: reads and closes stand between two opens
    wanted = _IN_OPEN | _IN_ACCESS | _IN_CLOSE
    for path in (Path(folder), *Path(folder).rglob("*")):
        if path.is_dir() and libc.inotify_add_watch(events, os.fsencode(path), wanted) < 0:
            raise OSError(ctypes.get_errno(), f"{path}: expected a folder that can be watched")
    opens, is_over = Opens(), threading.Event()
    watcher = threading.Thread(target=_watch, args=(events, opens, is_over))
    watcher.start()
    try:
        yield opens
    finally:
        is_over.set()
        watcher.join()
        os.close(events)
    if opens.number < 0:
        raise OSError(f"{folder}: more happened than inotify could note; see max_queued_events")


def bytes_read() -> int:
    """Bytes that this process has read by read(2) so far, from memory or disk; not what it maps."""
    (line,) = (line for line in Path("/proc/self/io").read_text().splitlines() if "rchar" in line)
    return int(line.split()[1])


def _watch(events: int, opens: Opens, is_over: threading.Event) -> None:
    sys.setprofile(None)  # its own calls don't count
    while True:
        was_over = is_over.is_set()
        if not select.select([events], [], [], 0 if was_over else _POLL_S)[0]:
            if was_over:
                return
            continue
        content, at = os.read(events, 2**16), 0
        while at < len(content):
            _, mask, _, length = _EVENT.unpack_from(content, at)
            at += _EVENT.size + length
            if mask & _IN_Q_OVERFLOW:
                opens.number = -(2**62)
            opens.number += bool(mask & _IN_OPEN and not mask & _IN_ISDIR)
