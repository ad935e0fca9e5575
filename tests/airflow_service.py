"""Airflow of the tests: its four components, run by infra/bin/airflow, asked over its REST API."""

import json
import os
import signal
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import psutil

_T = TypeVar("_T")
ROOT = Path(__file__).parents[1]
COMMAND = ROOT / "infra" / "bin" / "airflow"
# beside much other work a start takes minutes, and so does a task's
_START_S = 600.0
_POLL_S = 0.5
_DONE = ("success", "failed")
_WITH_US = ("setpriv", "--pdeathsig", "TERM")
# few processes, and new files of DAGs seen soon
SMALL = {
    "AIRFLOW__CORE__PARALLELISM": "2",
    "AIRFLOW__DAG_PROCESSOR__PARSING_PROCESSES": "1",
    "AIRFLOW__DAG_PROCESSOR__REFRESH_INTERVAL": "10",
}


@dataclass(frozen=True, slots=True)
class Airflow:
    """One that runs: its folder, its address, its user's password and a token of the API."""

    home: Path
    url: str
    password: str
    token: str

    def get(self, path: str) -> dict[str, Any]:
        """Give what the API says of a resource, e.g. ``dags/flights``."""
        return self._ask("GET", path)

    def trigger(self, dag: str, run: str, conf: dict[str, Any] | None = None) -> None:
        """Let a DAG run once, now; it must not be paused to go on."""
        body = {"dag_run_id": run, "logical_date": None, "conf": conf or {}}
        self._ask("POST", f"dags/{dag}/dagRuns", body)

    def announce(self, asset: str, extra: dict[str, Any]) -> None:
        """Make an event of an asset, as a task would; it starts the DAGs that wait for one."""
        self._ask("POST", "assets/events", {"asset_id": self.asset(asset), "extra": extra})

    def asset(self, name: str) -> int:
        """Give the number of an asset."""
        found = self.get("assets?limit=100")["assets"]
        return next(item["id"] for item in found if item["name"] == name)

    def unpause(self, dag: str) -> None:
        """Let a DAG's runs start."""
        self._ask("PATCH", f"dags/{dag}", {"is_paused": False})

    def set_state(self, dag: str, run: str, task: str, state: str) -> None:
        """Mark a task as failed or as successful, as a person does on the page."""
        path = f"dags/{dag}/dagRuns/{run}/taskInstances/{task}"
        self._ask("PATCH", path, {"new_state": state})

    def wait_for_dags(self, *names: str) -> None:
        """Wait until DAGs have been read."""
        self._wait(lambda: self._dags_read(names), 300, f"DAGs {names}")

    def _dags_read(self, names: tuple[str, ...]) -> bool:
        wrong = self.get("importErrors")["import_errors"]
        if wrong:
            raise AssertionError(wrong[0]["stack_trace"])
        return {*names} <= {item["dag_id"] for item in self.get("dags?limit=100")["dags"]}

    def wait_for_run(self, dag: str, run: str, seconds: float) -> str:
        """Wait until a run has ended; gives its state, success or failed."""

        def state() -> str:
            found = self.get(f"dags/{dag}/dagRuns/{run}")["state"]
            return found if found in _DONE else ""

        return self._wait(state, seconds, f"run {run} of {dag}")

    def wait_for_next_run(self, dag: str, seconds: float) -> tuple[str, str]:
        """Wait for a run that an event has started to end; gives its name and its state.

        One that skips its first task, since something else is to come first, doesn't count.
        """

        def ended() -> tuple[str, str]:
            runs = self.get(f"dags/{dag}/dagRuns?order_by=-run_after")["dag_runs"]
            for run in runs:
                name, state = run["dag_run_id"], run["state"]
                if state in _DONE and "skipped" not in self.task_states(dag, name).values():
                    return name, state
            return "", ""

        return self._wait(
            lambda: found if (found := ended())[0] else None, seconds, f"a run of {dag}"
        )

    def task_states(self, dag: str, run: str) -> dict[str, str]:
        """Give the state of each task of a run."""
        tasks = self.get(f"dags/{dag}/dagRuns/{run}/taskInstances?limit=100")["task_instances"]
        return {item["task_id"]: item["state"] for item in tasks}

    def log(self, dag: str, run: str, task: str, number: int = 1) -> str:
        """Give what a try of a task has written, a line for each event, as the page shows it."""
        path = f"dags/{dag}/dagRuns/{run}/taskInstances/{task}/logs/{number}"
        return "\n".join(json.dumps(event) for event in self.get(path)["content"])

    def xcom(self, dag: str, run: str, task: str, key: str = "return_value") -> Any:
        """Give what a task has handed on."""
        path = f"dags/{dag}/dagRuns/{run}/taskInstances/{task}/xcomEntries/{key}?deserialize=true"
        return self.get(path)["value"]

    def command(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run one of Airflow's own commands beside it."""
        command = [str(COMMAND), "--home", str(self.home), "cli", *arguments]
        return subprocess.run(command, capture_output=True, text=True, check=False, timeout=600)

    def _ask(self, method: str, path: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
        return _ask(f"{self.url}/api/v2/{path}", method, body, self.token)

    def _wait(self, found: Callable[[], _T | None], seconds: float, what: str) -> _T:
        deadline = time.monotonic() + seconds
        while not (value := found()):
            if time.monotonic() > deadline:
                raise TimeoutError(f"{what}: not after {seconds:.0f} s; see {self.home}/logs")
            time.sleep(_POLL_S)
        return value


def _ask(
    url: str, method: str, body: dict[str, Any] | None = None, token: str = ""
) -> dict[str, Any]:
    headers = {"Content-Type": "application/json", "Accept": "application/json"}
    if token:
        headers["Authorization"] = f"Bearer {token}"
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, data, headers, method=method)
    try:
        with urllib.request.urlopen(request, timeout=300) as answer:
            return json.load(answer)
    except urllib.error.HTTPError as error:
        with error:
            raise AssertionError(f"{method} {url}: {error.code} {error.read().decode()}") from None


@contextmanager
def airflow(
    home: Path, dags: Path, database: str = "", environment: dict[str, str] | None = None
) -> Generator[Airflow]:
    """Run it until the end of the block; all that it has started has ended then.

    Raises:
        RuntimeError: It doesn't start; with what it said.
    """
    flags = ["--home", str(home), "start", "--port", "0", "--dags", str(dags), "--foreground"]
    flags += ["--database", database] if database else []
    flags += ["--timeout", str(_START_S), "--wait", "5"]
    process = subprocess.Popen(
        [*_WITH_US, str(COMMAND), *flags],
        env={**os.environ, **SMALL, **(environment or {})},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,  # a Ctrl-C in the tests' terminal is ours to hand on
    )
    try:
        yield _running(process, home)
    finally:
        process.send_signal(signal.SIGTERM)
        print(process.communicate(timeout=_START_S)[0])
    assert processes_of(home) == []


def _running(process: subprocess.Popen[str], home: Path) -> Airflow:
    assert process.stdout is not None
    line = process.stdout.readline()
    if "runs at" not in line:
        raise RuntimeError(f"expected Airflow to run; it said: {line}{process.stdout.read()}")
    return connect(home)


def processes_of(home: Path) -> list[str]:
    """Give what still runs of an Airflow: its components, all in their sessions, its tasks' jobs.

    Some overwrite their environment with a title, others leave the session.
    """
    components = json.loads((home / "components.json").read_text())
    sessions = {item["pid"] for item in components if item["name"] != "foreground"}
    found: list[str] = []
    for process in psutil.process_iter():
        try:
            is_one = os.getsid(process.pid) in sessions or str(home) in process.environ().values()
            if is_one and process.status() != psutil.STATUS_ZOMBIE:
                found.append(f"{process.pid} {process.cmdline()}")
        except (psutil.Error, OSError):
            continue
    return found


def connect(home: Path) -> Airflow:
    """Log in to the one that runs in ``home``."""
    url = f"http://127.0.0.1:{json.loads((home / 'settings.json').read_text())['port']}"
    password = json.loads((home / "passwords.json").read_text())["admin"]
    said = {"username": "admin", "password": password}
    token = _ask(f"{url}/auth/token", "POST", said)["access_token"]
    return Airflow(home, url, password, token)
