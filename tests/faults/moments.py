"""Stop a command, and all that it starts, at a numbered call that changes files below a folder.

The counting is done by kill.c, preloaded into each process. Numbers are drawn with a seed from
those of an undisturbed run; nothing rests on how fast the machine is.
"""

import mmap
import os
import struct
import subprocess
import sysconfig
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from tests.end_to_end.checkout import kill_tree

SOURCE = Path(__file__).with_name("kill.c")
_COUNT, _TARGET, _STOPPED, _FULL, _SIZE = 0, 8, 16, 24, 256
_POLL_S = 0.002
_LIMIT_S = 900


def build(folder: Path) -> Path:
    """Compile the shim into ``folder``; give the library."""
    library = folder / f"kill{sysconfig.get_config_var('SHLIB_SUFFIX')}"
    command = ["cc", "-shared", "-fPIC", "-O2", "-o", str(library), str(SOURCE), "-ldl"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return library


class Watch:
    """The counter that the shim in all processes shares with the test."""

    def __init__(self, shared: Path) -> None:
        if not shared.exists():
            shared.write_bytes(bytes(_SIZE))
        self._shared = shared
        with shared.open("r+b") as file:
            self._map = mmap.mmap(file.fileno(), _SIZE)

    def environment(self, library: Path, root: Path) -> dict[str, str]:
        """Give what makes a process and its children count the calls that change ``root``."""
        # the shim compares the names that the system knows
        return {
            "LD_PRELOAD": str(library),
            "FAULT_ROOT": str(root.resolve()),
            "FAULT_SHARED": str(self._shared),
        }

    @property
    def count(self) -> int:
        """Calls so far."""
        return self._get(_COUNT)

    @property
    def is_stopped(self) -> bool:
        """Whether all wait before the target's call."""
        return bool(self._get(_STOPPED))

    def restart(self, target: int) -> None:
        """Count from zero, and stop before the call ``target``; 0: never."""
        self._set(_COUNT, 0)
        self.resume(target)

    def resume(self, target: int) -> None:
        """Let them go on, up to the call ``target`` or the next after; 0: to the end."""
        self._set(_TARGET, target)
        self._set(_STOPPED, 0)

    def fill(self, part: str) -> None:
        """Let writes to files with ``part`` in their path find no space; with "" all find some."""
        self._map[_FULL:_SIZE] = part.encode().ljust(_SIZE - _FULL, b"\0")

    def close(self) -> None:
        """Let go of the counter."""
        self._map.close()

    def _get(self, place: int) -> int:
        return struct.unpack_from("=Q", self._map, place)[0]

    def _set(self, place: int, value: int) -> None:
        struct.pack_into("=Q", self._map, place, value)


@dataclass(frozen=True, slots=True)
class Command:
    """What is run, where, and where its output goes."""

    words: list[str]
    cwd: Path
    log: Path
    environment: Mapping[str, str]

    def start(self, output: IO[Any]) -> subprocess.Popen[bytes]:
        """Start it in a session of its own."""
        return subprocess.Popen(
            self.words,
            cwd=self.cwd,
            env={**os.environ, **self.environment},
            stdout=output,
            stderr=output,
            start_new_session=True,
        )


def run_until(
    command: Command,
    watch: Watch,
    on_stop: Callable[[], int | None],
    on_poll: Callable[[], None] = lambda: None,
) -> bool:
    """Run ``command``; at each stop ask ``on_stop`` for the next target, None to kill it.

    Returns:
        Whether it was killed; else it has ended with exit code 0.
    """
    with command.log.open("wb") as output:
        process = command.start(output)
    deadline = time.monotonic() + _LIMIT_S
    try:
        while process.poll() is None:
            assert time.monotonic() < deadline, command.log.read_text()
            on_poll()
            if watch.is_stopped:
                target = on_stop()
                if target is None:
                    return True
                watch.resume(target)
            time.sleep(_POLL_S)
        assert process.returncode == 0, command.log.read_text()
    finally:
        kill_tree(process)
        watch.resume(0)
    return False
