"""Run a command so that never two attempts of one task live.

A worker that is killed leaves what it started behind: the next attempt would write beside it. All
that a command starts inherits a mark in its environment, and whoever begins with the same mark
first ends what carries it; no file has to be right for that, and no process id can be mistaken.
"""

import os
import subprocess
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from threading import Thread

import psutil

MARK = "GRISTMILL_TASK"
_ASK_S = 20.0
# Airflow kills a task 5 s after it has told it to end: what the task started must be gone by then
ASK_KILLED_S = 2.0
_KILL = (psutil.Process.kill, 10.0)
_ROUNDS = 5
_KEPT_LINES = 200
_SECRET_WORDS = ("PASSWORD", "SECRET", "TOKEN", "ACCESS_KEY", "CREDENTIAL")
_LEAST_SECRET = 4  # shorter ones would be found everywhere


class StillRunningError(Exception):
    """What an earlier attempt started can't be ended."""


@dataclass(frozen=True, slots=True)
class Finished:
    """How a command ended: its exit code (negative: a signal), and its last lines.

    Secrets are masked in ``lines``; ``last`` is the last line of standard output that is not empty,
    as it came.
    """

    code: int
    lines: tuple[str, ...]
    last: str


def run(
    command: Sequence[str],
    environment: Mapping[str, str],
    folder: Path,
    say: Callable[[str], None],
) -> Finished:
    """Run ``command`` to its end; each line it prints is said at once, without secrets.

    The command has no input, and a session of its own.
    """
    kept: deque[str] = deque(maxlen=_KEPT_LINES)
    hidden = secrets_of(environment)
    last = ""

    def take(line: str) -> None:
        kept.append(_masked(line.rstrip("\n"), hidden))
        say(kept[-1])

    with subprocess.Popen(
        list(command),
        cwd=folder,
        env=dict(environment),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        errors="replace",
        start_new_session=True,
    ) as process:
        errors = Thread(target=_drain, args=(process.stderr, take), daemon=True)
        errors.start()
        for line in process.stdout or ():
            last = line.rstrip("\n") if line.strip() else last
            take(line)
        errors.join()
    return Finished(process.returncode, tuple(kept), last)


def _drain(lines: Iterable[str] | None, take: Callable[[str], None]) -> None:
    for line in lines or ():
        take(line)


def secrets_of(environment: Mapping[str, str]) -> list[str]:
    """Give the values of variables whose names say that they are secret, the longest first."""
    found = {
        value
        for name, value in environment.items()
        if len(value) >= _LEAST_SECRET and any(word in name.upper() for word in _SECRET_WORDS)
    }
    return sorted(found, key=len, reverse=True)


def end_marked(mark: str, ask_s: float = _ASK_S) -> list[int]:
    """End all processes that carry ``mark``, and wait until they are gone; give their ids.

    They are asked to end, and killed when they have not after ``ask_s`` seconds.

    Raises:
        StillRunningError: Some do not end, even killed.
    """
    ended: set[int] = set()
    # what ends may have started another meanwhile: asked once, then killed until none is left
    for signal, wait_s in ((psutil.Process.terminate, ask_s), *[_KILL] * _ROUNDS):
        found = list(_marked(mark))
        if not found:
            return sorted(ended)
        ended |= {process.pid for process in found}
        for process in found:
            _send(signal, process)
        psutil.wait_procs(found, timeout=wait_s)
    raise StillRunningError(
        f"expected processes {sorted(ended)} of an earlier attempt to end; some live on, even "
        "killed. Look at what holds them on this machine, then clear the task"
    )


def _marked(mark: str) -> Iterator[psutil.Process]:
    for process in psutil.process_iter():
        try:
            if process.pid != os.getpid() and process.environ().get(MARK) == mark:
                yield process
        except (psutil.Error, OSError):
            # of another user, or gone
            continue


def _masked(line: str, hidden: Sequence[str]) -> str:
    for value in hidden:
        line = line.replace(value, "***")
    return line


def _send(signal: Callable[[psutil.Process], None], process: psutil.Process) -> None:
    try:
        signal(process)
    except psutil.NoSuchProcess:
        return
