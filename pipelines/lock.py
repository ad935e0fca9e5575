"""One process at a time: a lock that is waited for, names its holder, and ends with it.

flock(2) belongs to the process: the system frees it when that ends, however it ends. The file stays
and blocks nobody; what stands in it says who holds the lock.
"""

import fcntl
import os
import socket
import sys
import time
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

from pipelines.errors import LockedError
from pipelines.storage.place import RemotePath

# a table of ten million rows is written in less
WAIT_S = 900.0
_POLL_S = 0.1
_SAY_AFTER_S = 1.0


@contextmanager
def hold_lock(path: Path, what: str, wait_s: float | None = None) -> Generator[None]:
    """Wait for the lock, and hold it while the block runs; who is waited for is said on stderr.

    On S3 and HDFS there is no lock that ends with its process: the commits decide there.

    Args:
        path: File of the lock; made if absent.
        what: What it protects, as a reader knows it.
        wait_s: Seconds to wait at most; ``WAIT_S`` by default.

    Raises:
        LockedError: Another process still holds it then; names ``what`` and that process.
    """
    if isinstance(path, RemotePath):
        yield
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    # "a": who waits must not wipe out who holds
    with path.open("a+") as file:
        _wait(file, what, WAIT_S if wait_s is None else wait_s)
        _sign(file, f"process {os.getpid()} on {socket.gethostname()}")
        try:
            yield
        finally:
            _sign(file, "")


def _wait(file: TextIO, what: str, wait_s: float) -> None:
    begin = time.monotonic()
    has_said = False
    while not _take(file):
        waited = time.monotonic() - begin
        if waited >= wait_s:
            raise LockedError(
                f"{what} is being written by another process: {_holder(file)} has held "
                f"{file.name} for the {wait_s:.0f} s that this one waited. Wait until it ends, or "
                "end it, then run the same command again: a finished step is not repeated"
            )
        if waited >= _SAY_AFTER_S and not has_said:
            sys.stderr.write(
                f"waiting for {what}: {_holder(file)} writes it; for {wait_s:.0f} s at most\n"
            )
            has_said = True
        time.sleep(_POLL_S)


def _take(file: TextIO) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _holder(file: TextIO) -> str:
    file.seek(0)
    return file.read().strip() or "a process that does not say who it is"


def _sign(file: TextIO, words: str) -> None:
    file.seek(0)
    file.truncate()
    file.write(words)
    file.flush()
