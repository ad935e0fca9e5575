"""Run a command and look from outside at all processes it starts."""

import os
import subprocess
import tempfile
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import psutil

_EVERY_S = 0.2


@dataclass(slots=True)
class Seen:
    """What could be seen of a run: its words, and of its processes what others can list.

    ``listening`` holds a process's name and the address that it took connections at.
    """

    code: int = -1
    stdout: str = ""
    stderr: str = ""
    command_lines: set[str] = field(default_factory=set)
    listening: set[tuple[str, str]] = field(default_factory=set)


def run_watched(
    command: Sequence[str],
    folder: Path,
    environment: Mapping[str, str],
    read: Callable[[str], None] = lambda _: None,
) -> Seen:
    """Run ``command`` to its end, with umask 022, and look at its processes all the while.

    ``read`` is given what it has said on stderr so far, each time.
    """
    seen = Seen()
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        process = subprocess.Popen(
            command, cwd=folder, env=dict(environment), stdout=out, stderr=err, umask=0o022
        )
        has_ended = threading.Event()
        said = err.fileno()

        def look() -> None:
            # the offset is shared with the process that writes
            read(os.pread(said, os.fstat(said).st_size, 0).decode(errors="replace"))

        watch = threading.Thread(target=_watch, args=(process.pid, seen, has_ended, look))
        watch.start()
        try:
            seen.code = process.wait(600)
        finally:
            process.kill()
            process.wait()
            has_ended.set()
            watch.join()
        for name, file in (("stdout", out), ("stderr", err)):
            file.seek(0)
            setattr(seen, name, file.read().decode())
    return seen


def _watch(pid: int, seen: Seen, has_ended: threading.Event, look: Callable[[], None]) -> None:
    while not has_ended.wait(_EVERY_S):
        look()
        try:
            root = psutil.Process(pid)
            tree = [root, *root.children(recursive=True)]
        except psutil.NoSuchProcess:
            return
        for process in tree:
            look_at(process, seen)


def look_at(process: psutil.Process, seen: Seen) -> None:
    """Add what others can list of one process."""
    try:
        name = process.name()
        seen.command_lines.add(" ".join(process.cmdline()))
        for socket in process.net_connections("inet"):
            if socket.status == psutil.CONN_LISTEN:
                seen.listening.add((name, socket.laddr.ip))
    except (psutil.NoSuchProcess, psutil.AccessDenied):
        return  # it has just ended
