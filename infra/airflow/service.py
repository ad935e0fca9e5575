"""Start, show and stop Airflow's four components; infra/bin/airflow calls this.

``airflow standalone`` leaves processes behind when it is stopped, and prints the password.
"""

import argparse
import fcntl
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import FrameType
from typing import IO

from health import ServiceError, health, last_line, require_all, wait_for_answer, wait_until_healthy
from processes import (
    AIRFLOW,
    COMMANDS,
    FOREGROUND,
    end_foreground,
    log_of,
    read_components,
    start_component,
    stop_components,
    this_process,
    write_components,
)
from settings import (
    ROOT,
    USER,
    Settings,
    environment,
    free_port,
    is_free,
    read_settings,
    require_no_password,
    write_secrets,
    write_settings,
)

DAGS = ROOT / "airflow_dags"
_POLL_S = 0.5
_STOPPED = 3  # as other services have it


class ToldToStopError(Exception):
    """SIGTERM or Ctrl-C."""


def start(given: argparse.Namespace) -> int:
    """Start all four and wait until each is healthy; in the foreground, until told to stop.

    Raises:
        SystemExit: It can't be started as told, or one of the four has ended; nothing runs then.
    """
    with _alone(given.home):
        if any(item.process() for item in read_components(given.home)):
            url = read_settings(given.home).url
            sys.exit(f"airflow: it runs already, at {url}; infra/bin/airflow stop ends it")
        settings = _settings(given)
        write_secrets(settings)
        seen = environment(settings)
        _render(settings)
        _prepare(settings, seen)
        write_settings(settings)
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, _told)
        components = [this_process(FOREGROUND)] if given.foreground else []
        try:
            for name in COMMANDS:
                if name == "scheduler":
                    # tasks that wait from before would fail for good where nothing answers them
                    wait_for_answer(settings, components, given.timeout)
                components.append(start_component(settings.home, name, seen))
                write_components(settings.home, components)
            wait_until_healthy(settings, components, given.timeout)
            _say(
                f"airflow: runs at {settings.url}; user {USER}, its password is in "
                f"{settings.passwords}"
            )
            while given.foreground:
                require_all(settings.home, components)
                time.sleep(_POLL_S)
        except (ServiceError, ToldToStopError) as error:
            stop_components(components, settings.home, given.wait)
            if isinstance(error, ServiceError):
                sys.exit(f"airflow: {error}")
    return 0


def _settings(given: argparse.Namespace) -> Settings:
    if given.database:
        require_no_password(given.database)
    if not given.dags.is_dir():
        sys.exit(f"airflow: --dags: expected a folder of DAGs; {given.dags} is none")
    if given.port and not is_free(given.port):
        sys.exit(f"airflow: port {given.port} is taken; give another, or --port 0 for a free one")
    return Settings(given.home, given.port or free_port(), given.dags, given.database)


def _render(settings: Settings) -> None:
    """Write what the project's own DAGs are declared from, so that they are those of its code."""
    if settings.dags != DAGS:
        return
    command = [str(Path(__file__).with_name("render"))]
    done = subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, check=False)
    if done.returncode != 0:
        said = done.stderr.decode(errors="replace").strip().rpartition("\n")[2]
        sys.exit(f"airflow: the DAGs can't be rendered: {said}")


def _prepare(settings: Settings, seen: dict[str, str]) -> None:
    """Check and migrate the database, make the pools; in a process of its own with its settings."""
    log = log_of(settings.home, "prepare")
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("w+") as output:
        command = [sys.executable, str(Path(__file__).with_name("prepare.py"))]
        done = subprocess.run(
            command, env=seen, cwd=ROOT, stdout=output, stderr=output, check=False
        )
    if done.returncode != 0:
        sys.exit(f"airflow: {last_line(log)} (more in {log})")


def status(given: argparse.Namespace) -> int:
    """Print a line for each component; 0 if all are healthy, 3 if none runs, 1 otherwise."""
    components = [item for item in read_components(given.home) if item.name != FOREGROUND]
    running = [item for item in components if item.process()]
    if not running:
        _say(f"airflow: doesn't run (folder {given.home})")
        return _STOPPED
    settings = read_settings(given.home)
    seen = health(settings)
    for item in components:
        said = f"process {item.pid:<8} {seen.get(item.name, 'no answer')}"
        ended = f"has ended; see {log_of(given.home, item.name)}"
        _say(f"{item.name:<14} {said if item in running else ended}")
    _say(f"page {settings.url}  user {USER}  password in {settings.passwords}")
    is_whole = len(running) == len(COMMANDS) and {*seen.values()} == {"healthy"}
    return 0 if is_whole else 1


def stop(given: argparse.Namespace) -> int:
    """End all four and what they have started; nothing to do is no error."""
    if not given.home.is_dir():
        _say(f"airflow: doesn't run (folder {given.home})")
        return 0
    components = read_components(given.home)
    was_running = any(item.process() for item in components)
    end_foreground(components, given.wait)
    stop_components(components, given.home, given.wait)
    _say("airflow: stopped" if was_running else f"airflow: doesn't run (folder {given.home})")
    return 0


def cli(given: argparse.Namespace) -> int:
    """Become one of Airflow's own commands, with the settings of the last start."""
    seen = environment(read_settings(given.home))
    os.execve(AIRFLOW[0], [*AIRFLOW, *given.command], seen)  # noqa: S606  no shell is wanted


def _say(text: str) -> None:
    print(text, flush=True)  # noqa: T201  for the person who called


def _told(_signal: int, _frame: FrameType | None) -> None:
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)  # once is enough: what stops them is not interrupted
    raise ToldToStopError


def _alone(home: Path) -> IO[str]:
    """Hold the folder until the file is closed: one start at a time."""
    home.mkdir(parents=True, exist_ok=True, mode=0o700)
    held = (home / ".lock").open("w")
    try:
        fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        sys.exit(f"airflow: another start is under way, or stays in the foreground, in {home}")
    return held


def _flags() -> argparse.ArgumentParser:
    flags = argparse.ArgumentParser(
        prog="infra/bin/airflow", description="Airflow over the DAGs of this project."
    )
    home = ROOT / "build" / "airflow" / "home"
    flags.add_argument("--home", type=_folder, default=home, help=f"its folder ({home})")
    verbs = flags.add_subparsers(required=True, metavar="start | status | stop | cli")
    begin = verbs.add_parser("start", help="start the four components")
    begin.add_argument("--port", type=int, default=8080, help="of the page (8080); 0: a free one")
    begin.add_argument("--database", default="", help="postgresql+psycopg2://USER@HOST/NAME")
    begin.add_argument("--dags", type=_folder, default=DAGS, help=f"their folder ({DAGS})")
    begin.add_argument("--foreground", action="store_true", help="stay; SIGTERM or Ctrl-C stops")
    begin.add_argument("--timeout", type=float, default=300, help="seconds to get healthy (300)")
    begin.set_defaults(run=start)
    verbs.add_parser("status", help="how each of them stands").set_defaults(run=status)
    end = verbs.add_parser("stop", help="end them and what they have started")
    end.set_defaults(run=stop)
    for verb in (begin, end):
        verb.add_argument("--wait", type=float, default=30, help="seconds for running tasks (30)")
    own = verbs.add_parser("cli", help="Airflow's own commands", prefix_chars="\0", add_help=False)
    own.add_argument("command", nargs="*")
    own.set_defaults(run=cli)
    return flags


def _folder(text: str) -> Path:
    return Path(text).resolve()


if __name__ == "__main__":
    parsed = _flags().parse_args()
    sys.exit(parsed.run(parsed))
