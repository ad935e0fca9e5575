"""Airflow for real, on PostgreSQL: its four components and the project's DAGs on a small data set.

The raw file of `prepare_parcels` is missing; `train_parcels` is started by the event that announces
a features table of an earlier run, scoring and the watch by what comes of it, and the upkeep by its
schedule. Nothing here waits for a time, only for states.
"""

import configparser
import json
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import psycopg2
import pytest

from pipelines.state import read_json
from pipelines.step import StepResult, read_record
from tests.airflow_pages import log_in, wait_until_loaded
from tests.airflow_service import Airflow, airflow
from tests.browser import browser
from tests.end_to_end.scheduled import ScheduledProject, make_project
from tests.postgres_server import USER, postgres_server

PROJECT = Path(__file__).parents[2]
SCREENSHOTS = PROJECT / "build" / "airflow" / "screenshots"
# planted where people keep secrets; none may be found anywhere else
SECRETS = {
    "PGPASSWORD": "canary-Rt47-postgres",
    "AWS_SECRET_ACCESS_KEY": "canary-Bv93-amazon",
    "AIRFLOW_CONN_WAREHOUSE": json.dumps({"conn_type": "postgres", "password": "canary-Hy60-conn"}),
}
PREPARE, TRAIN, SCORE = "prepare_parcels", "train_parcels", "score_parcels"
REPORT, MAINTAIN = "report_quality_parcels", "maintain_tables_parcels"
RUN = "no_file"
WAIT_S = 1200.0
# what the earlier run has made of its features table: here Airflow's tasks make it
_LATER = (
    "train-*.json", "evaluate-*.json", "explain-*.json", "register-*.json", "report-*.json",
    "score-*.json",
    "trainings", "evaluations", "explanations", "predictions*", "registry",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Scheduled:
    """An Airflow where a run of each DAG has ended, and where all of it is."""

    service: Airflow
    project: ScheduledProject
    databases: Path
    runs: dict[str, str]
    states: dict[str, str]

    def said(self, dag: str, task: str) -> dict[str, Any]:
        """The line of a job."""
        return self.service.xcom(dag, self.runs[dag], task)


@pytest.fixture(scope="module")
def scheduled(
    undisturbed: tuple[Path, dict[str, Any]], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Scheduled]:
    """Run three DAGs at once: one slot of the pool makes their jobs wait for one another."""
    folder = tmp_path_factory.mktemp("airflow")
    project = make_project(folder)
    shutil.copytree(undisturbed[0], project.lake, ignore=shutil.ignore_patterns(*_LATER))
    with postgres_server("airflow", "models", password=SECRETS["PGPASSWORD"]) as databases:
        address = f"{USER}@/{{}}?host={databases}"
        told = {
            **project.environment(),
            **SECRETS,
            "GRISTMILL_REGISTRY": f"postgresql://{address.format('models')}",
            "GRISTMILL_SOURCES_PARCELS": f"parcels={folder / 'nothing.csv'}",
        }
        metadata = f"postgresql+psycopg2://{address.format('airflow')}"
        with airflow(folder / "home", project.dags, metadata, told) as service:
            service.wait_for_dags(PREPARE, TRAIN, SCORE, REPORT, MAINTAIN)
            for dag in (PREPARE, TRAIN):
                service.unpause(dag)
            service.trigger(PREPARE, RUN)
            service.announce("features_parcels", _announcement(undisturbed[0]))
            for dag in (SCORE, REPORT, MAINTAIN):
                service.unpause(dag)
            runs, states = {PREPARE: RUN}, {PREPARE: service.wait_for_run(PREPARE, RUN, WAIT_S)}
            for dag in (TRAIN, SCORE, REPORT, MAINTAIN):
                runs[dag], states[dag] = service.wait_for_next_run(dag, WAIT_S)
            yield Scheduled(service, project, databases, runs, states)


def _announcement(root: Path) -> dict[str, Any]:
    """What `prepare_parcels` says of its table, made of the records that a run has left."""
    found: dict[str, StepResult] = {}
    for path in sorted((root / "parcels" / "steps").glob("*.json")):
        record = read_record(path)
        found[record.step] = record
    names = ("ingest", "deduplicate", "split", "impute", "engineer_features")
    results = {
        name: {
            "step": name,
            "dataset": "parcels",
            "fingerprint": found[name].fingerprint,
            "tables": list(found[name].tables),
            "files": found[name].files,
        }
        for name in names
    }
    table = found["engineer_features"].tables[0]
    return {"table": table, "version": int(table.rpartition("@v")[2]), "results": results}


def test_a_job_that_fails_says_why_in_its_log_and_nothing_comes_after(scheduled: Scheduled) -> None:
    states = scheduled.service.task_states(PREPARE, RUN)
    assert scheduled.states[PREPARE] == "failed"
    assert states.pop("ingest") == "failed"
    assert {*states.values()} == {"upstream_failed"}
    log = scheduled.service.log(PREPARE, RUN, "ingest")
    assert "nothing.csv" in log


def test_an_announced_features_table_is_trained_on_and_the_model_registered(
    scheduled: Scheduled,
) -> None:
    states = scheduled.service.task_states(TRAIN, scheduled.runs[TRAIN])
    assert scheduled.states[TRAIN] == "success", states
    assert {*states.values()} == {"success"}
    assert {"take_features", "train", "evaluate", "gate", "explain", "register"} <= {*states}
    assert scheduled.said(TRAIN, "train")["is_reused"] is False
    said = scheduled.said(TRAIN, "register")
    assert said["details"]["is_champion"] is True
    rows = _ask_registry(scheduled, "SELECT name, alias, version FROM registered_model_aliases")
    assert [row[1:] for row in rows] == [("champion", 1)]


def test_a_new_model_scores_and_what_it_read_is_held_to_what_it_learned_from(
    scheduled: Scheduled,
) -> None:
    assert (scheduled.states[SCORE], scheduled.states[REPORT]) == ("success", "success")
    scored = scheduled.said(SCORE, "score")
    assert scored["is_reused"] is False
    said = scheduled.said(REPORT, "report_quality")
    assert said["details"]["verdict"] == "ok"
    numbers = read_json(Path(said["files"]["numbers"]))
    assert numbers["model"] == "version 1 of parcels"
    assert (numbers["features"], numbers["rows_now"]) == (scored["details"]["features"], 3000)


def test_the_weekly_upkeep_looks_at_every_table(scheduled: Scheduled) -> None:
    assert scheduled.states[MAINTAIN] == "success"
    assert scheduled.runs[MAINTAIN].startswith("scheduled__")
    said = scheduled.said(MAINTAIN, "maintain")
    layers = {Path(table["table"]).parent.name for table in said["tables"]}
    assert {"raw", "deduplicated", "split", "imputed", "features"} <= layers


def test_two_heavy_jobs_never_run_at_once(scheduled: Scheduled) -> None:
    times: list[tuple[str, str]] = []
    for dag, run in scheduled.runs.items():
        path = f"dags/{dag}/dagRuns/{run}/taskInstances"
        times += [
            (task["start_date"], task["end_date"])
            for task in scheduled.service.get(path)["task_instances"]
            if task["pool"] == "heavy" and task["state"] in ("success", "failed")
        ]
    times.sort()
    assert len(times) == 7  # ingest, train, evaluate, explain, score, report_quality, maintain
    assert all(end <= start for (_, end), (start, _) in pairwise(times))


def test_no_secret_is_in_a_log_a_page_of_the_api_or_a_table(scheduled: Scheduled) -> None:
    home = scheduled.service.home
    config = configparser.ConfigParser(interpolation=None)
    config.read(home / "airflow.cfg")
    ours = [config["core"]["fernet_key"], config["api"]["secret_key"]]
    ours += [config["api_auth"]["jwt_secret"], scheduled.service.password, scheduled.service.token]
    secrets = [*ours, *(text for text in SECRETS.values() if text.startswith("canary"))]
    secrets.append("canary-Hy60-conn")
    said = _logs(home) | _api(scheduled)
    for path in scheduled.project.lake.rglob("*"):
        if path.is_file():
            said[str(path)] = path.read_text(errors="replace")
    assert any("nothing.csv" in text for text in said.values())
    assert len(said) > 20
    found = [(name, secret) for name, text in said.items() for secret in secrets if secret in text]
    assert found == []


def test_its_pages_show_the_runs_and_the_assets(scheduled: Scheduled, tmp_path: Path) -> None:
    with browser(tmp_path) as page:
        log_in(page, scheduled.service)
        run = scheduled.runs[TRAIN]
        url = f"{scheduled.service.url}/dags/{TRAIN}/runs/{run}"
        tasks = len(scheduled.service.task_states(TRAIN, run))
        page.open(url)
        page.wait_for("document.querySelectorAll('a[href*=\"/tasks/register\"]').length")
        page.wait_for(f"document.body.innerText.includes('{tasks} Task Instances')")
        wait_until_loaded(page)
        page.screenshot(SCREENSHOTS / "parcels-grid.png")
        page.evaluate("localStorage.setItem('default_dag_view', '\"graph\"')")
        page.open(url)
        page.wait_for("document.querySelectorAll('.react-flow__node').length > 4")
        page.wait_for(f"document.body.innerText.includes('{tasks} Task Instances')")
        wait_until_loaded(page)
        page.screenshot(SCREENSHOTS / "parcels-graph.png")
        page.open(f"{scheduled.service.url}/assets")
        page.wait_for("document.body.innerText.includes('model_parcels')")
        wait_until_loaded(page)
        page.screenshot(SCREENSHOTS / "parcels-assets.png")
        assert "features_parcels" in page.text()


def _ask_registry(scheduled: Scheduled, query: str) -> list[tuple[Any, ...]]:
    connection = psycopg2.connect(
        host=str(scheduled.databases), user=USER, dbname="models", password=SECRETS["PGPASSWORD"]
    )
    try:
        with connection.cursor() as cursor:
            cursor.execute(query)
            return cursor.fetchall()
    finally:
        connection.close()


def _logs(home: Path) -> dict[str, str]:
    return {str(path): path.read_text() for path in (home / "logs").rglob("*") if path.is_file()}


def _api(scheduled: Scheduled) -> dict[str, str]:
    """What the API shows of the runs: tasks with their rendered fields, results, sources."""
    said: dict[str, str] = {}
    for dag, run in scheduled.runs.items():
        tasks = f"dags/{dag}/dagRuns/{run}/taskInstances"
        paths = [f"dagSources/{dag}", f"dags/{dag}/details", f"dags/{dag}/dagRuns/{run}", tasks]
        states = scheduled.service.task_states(dag, run)
        paths += [f"{tasks}/{task}" for task in states]
        paths += [f"{tasks}/{task}/xcomEntries" for task in states]
        said |= {path: json.dumps(scheduled.service.get(path)) for path in paths}
    said["assets"] = json.dumps(scheduled.service.get("assets/events"))
    return said
