"""Airflow for real: who is told of a failure and of a delay, and what is left of a killed task.

The first run finds no file under a path that holds a secret. Of the second the Java machine is
stopped, so that its job neither ends nor answers: it misses its deadline, and is marked as failed.
"""

import json
import shutil
import time
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from email.message import EmailMessage
from html import escape
from pathlib import Path
from typing import Any

import psutil
import pytest

from airflow_dags.process import MARK
from tests.airflow_service import Airflow, airflow
from tests.end_to_end.scheduled import ScheduledProject, make_project
from tests.postgres_server import USER, postgres_server
from tests.receivers import MailServer, WebHook, mail_server, web_hook

DAG = "prepare_parcels"
NO_FILE, HANGS = "no_file", "hangs"
LOGIN, RECEIVER = "mill", "watch@example.org"
HOOK_PATH = "/services/canary-Jd52-hook"
MAIL_PASSWORD, REGISTRY_PASSWORD = "canary-Tw90-mail", "canary-Gk18-registry"
SECRETS = (HOOK_PATH, MAIL_PASSWORD, REGISTRY_PASSWORD)
WAIT_S = 1200.0
pytestmark = pytest.mark.slow


@dataclass(frozen=True, slots=True)
class Told:
    """What the two runs have left, and what all were told of them."""

    service: Airflow
    project: ScheduledProject
    hook: WebHook
    mail: MailServer
    marked: dict[int, str]

    @property
    def notices(self) -> list[dict[str, Any]]:
        """Lines of the file, oldest first."""
        path = self.project.lake / "notices.jsonl"
        return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []

    def notice(self, event: str, run: str) -> dict[str, Any]:
        """Wait for a notice to have been sent by all three ways, e-mail being the last."""
        _until(lambda: any(f"run: {run}" in text for text in self.letters(event)))
        (found,) = [item for item in self.notices if (item["event"], item["run"]) == (event, run)]
        return found

    def posts(self, event: str) -> list[str]:
        """Texts that the web hook was given."""
        return [body["text"] for body in self.hook.posted if f"event: {event}" in body["text"]]

    def letters(self, event: str) -> list[str]:
        """The letters as HTML."""
        return [
            _html(letter) for letter in self.mail.letters if letter["subject"] == f"{DAG}: {event}"
        ]


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Told]:
    folder = tmp_path_factory.mktemp("told")
    project, files = make_project(folder), folder / REGISTRY_PASSWORD
    with (
        web_hook(HOOK_PATH) as hook,
        mail_server(LOGIN, MAIL_PASSWORD) as mail,
        postgres_server("airflow") as databases,
        airflow(
            folder / "home",
            project.dags,
            f"postgresql+psycopg2://{USER}@/airflow?host={databases}",
            project.environment() | _ways(hook, mail) | _sources(project, files),
        ) as service,
    ):
        marked: dict[int, str] = {}
        told = Told(service, project, hook, mail, marked)
        service.wait_for_dags(DAG)
        service.unpause(DAG)
        service.trigger(DAG, NO_FILE)
        assert service.wait_for_run(DAG, NO_FILE, WAIT_S) == "failed"
        shutil.copytree(project.checkout.folder / "raw", files)
        service.trigger(DAG, HANGS)
        with _hanging(f"{DAG}/ingest/{HANGS}") as found:
            marked |= found
            told.notice("late", HANGS)
            service.set_state(DAG, HANGS, "ingest", "failed")
            _until(lambda: not [pid for pid in marked if _lives(pid)])
        yield told


def _sources(project: ScheduledProject, files: Path) -> dict[str, str]:
    said = project.environment()["GRISTMILL_SOURCES_PARCELS"]
    raw = str(project.checkout.folder / "raw")
    return {"GRISTMILL_SOURCES_PARCELS": said.replace(raw, str(files))}


def _ways(hook: WebHook, mail: MailServer) -> dict[str, str]:
    """All ways of telling people, and a deadline that the second run must miss."""
    connections = {
        "HOOK": {"conn_type": "http", "password": hook.url},
        "SMTP_DEFAULT": {"conn_type": "smtp", "login": LOGIN, "password": MAIL_PASSWORD},
        "MODELS": {
            "conn_type": "postgres",
            "host": "localhost",
            "login": LOGIN,
            "password": REGISTRY_PASSWORD,
            "schema": "models",
        },
    }
    return {
        "GRISTMILL_DEADLINE_HOURS": "0.001",
        "GRISTMILL_NOTICES_CONN": "hook",
        "GRISTMILL_NOTICES_EMAIL": RECEIVER,
        "GRISTMILL_REGISTRY_CONN": "models",
        "AIRFLOW__SMTP__SMTP_HOST": "127.0.0.1",
        "AIRFLOW__SMTP__SMTP_PORT": str(mail.port),
        "AIRFLOW__SMTP__SMTP_STARTTLS": "False",
        "AIRFLOW__SMTP__SMTP_MAIL_FROM": "mill@example.org",
        **{f"AIRFLOW_CONN_{name}": json.dumps(said) for name, said in connections.items()},
    }


@contextmanager
def _hanging(mark: str) -> Generator[dict[int, str]]:
    """Stop the Java machine of a job once its Python runs; give the job's processes by id."""
    found: dict[int, str] = {}

    def has_stopped() -> bool:
        found.clear()
        found.update(_marked(mark))
        java = [pid for pid, line in found.items() if "org.apache.spark.deploy.SparkSubmit" in line]
        for pid in java:
            psutil.Process(pid).suspend()
        found.update(_marked(mark))
        is_whole = bool(java) and len(found) > len(java)
        if not is_whole:
            for pid in java:
                psutil.Process(pid).resume()
        return is_whole

    _until(has_stopped)
    try:
        yield found
    finally:
        for pid in found:
            if _lives(pid):
                psutil.Process(pid).kill()


def _marked(mark: str) -> Iterator[tuple[int, str]]:
    for process in psutil.process_iter():
        try:
            if process.environ().get(MARK) == mark:
                yield process.pid, " ".join(process.cmdline())
        except (psutil.Error, OSError):
            continue


def _lives(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def _html(letter: EmailMessage) -> str:
    body = letter.get_body(("html",))
    return body.get_content() if body else ""


def _until(is_so: Callable[[], bool]) -> None:
    deadline = time.monotonic() + WAIT_S
    while not is_so():
        assert time.monotonic() < deadline, "not in time"
        time.sleep(0.1)


def test_a_failure_is_told_with_the_last_error_and_where_report_and_log_are(told: Told) -> None:
    notice = told.notice("failure", NO_FILE)
    assert (notice["dag"], notice["task"], notice["attempt"]) == (DAG, "ingest", 1)
    assert "***/parcels.csv" in notice["error"]
    log = told.service.log(DAG, NO_FILE, "ingest")
    assert notice["error"].rpartition("exit code 1: ")[2] in log
    assert notice["report"] == f"{told.project.lake}/parcels/reports/quality/index.html"
    page = f"{told.service.url}/dags/{DAG}/runs/{NO_FILE}/tasks/ingest?try_number=1"
    assert notice["log"] == page
    _require_told(told, notice)


def test_a_run_that_misses_its_deadline_is_told_while_it_runs(told: Told) -> None:
    notice = told.notice("late", HANGS)
    assert (notice["dag"], notice["error"]) == (DAG, "over 0.001 hours")
    assert notice["report"] == f"{told.project.lake}/parcels/reports/quality/index.html"
    assert notice["log"] == f"{told.service.url}/dags/{DAG}/runs/{HANGS}"
    _require_told(told, notice)


def _require_told(told: Told, notice: dict[str, Any]) -> None:
    """One post and one letter carry what the file does."""
    names = ("error", "report", "log")
    of_run = f"run: {notice['run']}"
    (post,) = [text for text in told.posts(notice["event"]) if of_run in text]
    assert [name for name in names if notice[name] not in post] == []
    (letter,) = [text for text in told.letters(notice["event"]) if of_run in text]
    assert [name for name in names if escape(notice[name]) not in letter] == []


def test_a_letter_goes_from_and_to_whom_the_settings_name(told: Told) -> None:
    letters = told.mail.letters
    assert {(letter["from"], letter["to"]) for letter in letters} == {
        ("mill@example.org", RECEIVER)
    }


def test_a_task_that_is_marked_failed_leaves_no_process_of_its_job(told: Told) -> None:
    assert any("org.apache.spark.deploy.SparkSubmit" in line for line in told.marked.values())
    assert any("python" in line for line in told.marked.values())
    assert [*_marked(f"{DAG}/ingest/{HANGS}")] == []
    assert told.service.wait_for_run(DAG, HANGS, WAIT_S) == "failed"
    assert told.service.task_states(DAG, HANGS)["ingest"] == "failed"
    assert not (told.project.lake / "parcels" / "raw").exists()


def test_no_secret_of_a_connection_is_in_a_notice_or_a_log(told: Told) -> None:
    said = {
        "file": (told.project.lake / "notices.jsonl").read_text(),
        "web hook": json.dumps(told.hook.posted),
        "e-mail": "".join(letter.as_string() for letter in told.mail.letters),
    }
    logs = [path for path in (told.service.home / "logs").rglob("*") if path.is_file()]
    said |= {str(path): _without_commands(path.read_text()) for path in logs}
    assert any("Notice: " in text for text in said.values())
    found = [(name, secret) for name, text in said.items() for secret in SECRETS if secret in text]
    assert found == []


def _without_commands(text: str) -> str:
    """Drop a job's command, where this test itself has put a secret: the scheduler copies it."""
    return "\n".join(line for line in text.splitlines() if " jobs/ingest.py --dataset " not in line)
