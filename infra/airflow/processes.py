"""Airflow's four components as processes: start them, find them again, end them and theirs."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path

import psutil
from settings import MARK, ROOT

AIRFLOW = (sys.executable, "-m", "airflow")
# in the order of their start. Log servers would listen on all interfaces; here the API server
# reads the same disk
COMMANDS = {
    "api-server": (*AIRFLOW, "api-server"),
    "dag-processor": (*AIRFLOW, "dag-processor"),
    "triggerer": (*AIRFLOW, "triggerer", "--skip-serve-logs"),
    "scheduler": (*AIRFLOW, "scheduler", "--skip-serve-logs"),
}
# the start itself, where it stays to watch over the others
FOREGROUND = "foreground"
_POLL_S = 0.2
# for what was told to end; a JVM beside much other work takes long
_END_S = 60.0


@dataclass(frozen=True, slots=True)
class Component:
    """One component as it was started; its start time tells it from a later owner of the number."""

    name: str
    pid: int
    started: float

    def process(self) -> psutil.Process | None:
        """Give its process while it runs."""
        try:
            found = psutil.Process(self.pid)
            is_ours = found.create_time() == self.started
            return found if is_ours and _runs(found) else None
        except psutil.NoSuchProcess:
            return None


def log_of(home: Path, name: str) -> Path:
    """Give the file that holds what a component says."""
    return home / "logs" / "service" / f"{name}.log"


def start_component(home: Path, name: str, environment: dict[str, str]) -> Component:
    """Start one in a session of its own, so that a Ctrl-C in the terminal doesn't reach it."""
    log = log_of(home, name)
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("ab") as output:
        process = subprocess.Popen(
            COMMANDS[name],
            cwd=ROOT,
            env={**environment, MARK: str(home)},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
    return Component(name, process.pid, psutil.Process(process.pid).create_time())


def this_process(name: str) -> Component:
    """Give the process that asks."""
    return Component(name, os.getpid(), psutil.Process().create_time())


def end_foreground(components: list[Component], wait_s: float) -> None:
    """Let a start that stays stop its components itself: it would take their end for a fault."""
    staying = [
        found for item in components if item.name == FOREGROUND and (found := item.process())
    ]
    _signal(staying, signal.SIGTERM)
    _ended(staying, wait_s + 3 * _END_S)


def write_components(home: Path, components: list[Component]) -> None:
    """Note what runs, for status and stop."""
    path = home / "components.json"
    draft = path.with_suffix(".draft")
    draft.write_text(json.dumps([asdict(item) for item in components]) + "\n")
    draft.rename(path)


def read_components(home: Path) -> list[Component]:
    """Give what the last start has started."""
    path = home / "components.json"
    if not path.exists():
        return []
    return [Component(**item) for item in json.loads(path.read_text())]


def stop_components(components: list[Component], home: Path, wait_s: float) -> None:
    """End all of them and what they have started.

    The scheduler goes first: while the API server still runs, tasks can say how they ended. It
    waits for running tasks; those that haven't ended after ``wait_s`` are told to end, which ends
    their Spark jobs too. What doesn't end by itself is killed.
    """
    running = {
        item.name: found
        for item in components
        if item.name != FOREGROUND and (found := item.process())
    }
    scheduler = [running.pop("scheduler")] if "scheduler" in running else []
    others = list(running.values())
    of_scheduler, of_others = _tree(scheduler), _tree(others)
    _signal(scheduler, signal.SIGTERM)
    if not _ended(scheduler, wait_s):
        # its workers hand it on to their tasks
        _signal((item for root in scheduler for item in root.children()), signal.SIGTERM)
        if not _ended(scheduler, _END_S):
            _kill(of_scheduler)
    _signal(others, signal.SIGTERM)
    _ended(others, _END_S)
    _kill([*of_scheduler, *of_others, *_marked(home)])


def _kill(processes: list[psutil.Process]) -> None:
    left = [item for item in processes if item.is_running() and _runs(item)]
    _signal(left, signal.SIGKILL)
    _ended(left, _END_S)


def _tree(roots: list[psutil.Process]) -> list[psutil.Process]:
    found = list(roots)
    for root in roots:
        try:
            found += root.children(recursive=True)
        except psutil.NoSuchProcess:
            continue
    return found


def _marked(home: Path) -> list[psutil.Process]:
    """What tasks have started and left behind: it carries the mark in its environment."""
    found: list[psutil.Process] = []
    for item in psutil.process_iter():
        try:
            is_marked = item.environ().get(MARK) == str(home) and item.pid != os.getpid()
        except (psutil.NoSuchProcess, psutil.AccessDenied, OSError):
            continue
        found += [item] if is_marked else []
    return found


def _signal(processes: Iterable[psutil.Process], number: signal.Signals) -> None:
    for item in processes:
        try:
            item.send_signal(number)
        except psutil.NoSuchProcess:
            continue


def _ended(processes: list[psutil.Process], wait_s: float) -> bool:
    """Wait until none runs; one that was started here is also reaped."""
    deadline = time.monotonic() + wait_s
    alive = processes
    while True:
        _, alive = psutil.wait_procs(alive, timeout=0)
        alive = [item for item in alive if _runs(item)]
        if not alive or time.monotonic() >= deadline:
            return not alive
        time.sleep(_POLL_S)


def _runs(process: psutil.Process) -> bool:
    """Say whether it still does anything; one that its parent has not asked for yet doesn't."""
    try:
        return process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
