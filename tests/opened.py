"""Which files are opened, by whatever library: the kernel says so, see inotify(7)."""

import ctypes
import os
import struct
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

_IN_OPEN, _IN_ISDIR = 0x20, 0x40000000
_EVENT = struct.Struct("iIII")
_libc = ctypes.CDLL(None, use_errno=True)


@contextmanager
def opened(folder: Path) -> Generator[set[str]]:
    """Give the files beneath ``folder`` that are opened in the block, once it has ended.

    Folders that are made in the block are not watched.
    """
    handle = _check(_libc.inotify_init1(os.O_NONBLOCK))
    found: set[str] = set()
    try:
        places = [folder, *(path for path in folder.rglob("*") if path.is_dir())]
        watched = {
            _check(_libc.inotify_add_watch(handle, os.fsencode(place), _IN_OPEN)): place
            for place in places
        }
        yield found
        for number, mask, name in _events(handle):
            if name and not mask & _IN_ISDIR:
                found.add((watched[number] / name).relative_to(folder).as_posix())
    finally:
        os.close(handle)


def _events(handle: int) -> Generator[tuple[int, int, str]]:
    while True:
        try:
            said = os.read(handle, 1 << 16)
        except BlockingIOError:
            return
        place = 0
        while place < len(said):
            number, mask, _, length = _EVENT.unpack_from(said, place)
            place += _EVENT.size
            yield number, mask, said[place : place + length].rstrip(b"\0").decode()
            place += length


def _check(result: int) -> int:
    if result < 0:
        raise OSError(ctypes.get_errno(), "inotify")
    return result
