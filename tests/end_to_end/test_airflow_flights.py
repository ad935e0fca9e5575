"""Airflow on SQLite, as one tries it out: the flights from raw files to scores."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.airflow_pages import log_in, wait_until_loaded
from tests.airflow_service import Airflow, airflow
from tests.browser import browser

PROJECT = Path(__file__).parents[2]
SCREENSHOTS = PROJECT / "build" / "airflow" / "screenshots"
RUN = "all_of_2013"
DAGS = (
    "prepare_flights",
    "train_flights",
    "score_flights",
    "report_quality_flights",
    "maintain_tables_flights",
)
WAIT_S = 3000.0
pytestmark = pytest.mark.slow


@dataclass(frozen=True, slots=True)
class Flown:
    """An Airflow whose DAGs have followed one another, with the run of each."""

    service: Airflow
    runs: dict[str, str]
    states: dict[str, str]


@pytest.fixture(scope="module")
def flown(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Flown]:
    """One run is asked for; the others start from the events of assets."""
    folder = tmp_path_factory.mktemp("flown")
    told = {
        "GRISTMILL_LAKE": str(folder / "lake"),
        "GRISTMILL_NOTICES": str(folder / "notices.jsonl"),
        "GRISTMILL_RETRIES": "0",
    }
    with airflow(folder / "home", PROJECT / "airflow_dags", environment=told) as service:
        service.wait_for_dags(*DAGS)
        service.trigger(DAGS[0], RUN)
        # an event of an asset starts no DAG that is paused then, nor once it is unpaused
        for dag in DAGS[:-1]:
            service.unpause(dag)
        runs = {DAGS[0]: RUN}
        states = {DAGS[0]: service.wait_for_run(DAGS[0], RUN, WAIT_S)}
        for dag in DAGS[1:]:
            if dag == DAGS[-1]:
                # the upkeep of last Sunday is due at once: it wants tables
                service.unpause(dag)
            runs[dag], states[dag] = service.wait_for_next_run(dag, WAIT_S)
        yield Flown(service, runs, states)


def test_one_run_that_is_asked_for_brings_all_the_others(flown: Flown) -> None:
    assert flown.states == dict.fromkeys(DAGS, "success")


def test_a_run_after_the_end_of_the_schedule_reads_nothing(flown: Flown) -> None:
    """The schedule of flights ended with 2013; the scheduler makes a run for last month."""
    for run in flown.service.get(f"dags/{DAGS[0]}/dagRuns")["dag_runs"]:
        if run["run_type"] == "scheduled":
            states = flown.service.task_states(DAGS[0], run["dag_run_id"])
            assert {*states.values()} == {"skipped"}


def test_every_flight_is_accounted_for(flown: Flown) -> None:
    rows = flown.service.xcom(DAGS[0], RUN, "ingest")["rows"]
    assert rows["flights"]["kept"] == 336_776
    features = flown.service.xcom(DAGS[0], RUN, "engineer_features")["rows"]["flights"]
    assert features["filtered"] == {"no_label": 9_430}
    assert features["kept"] == 336_776 - 9_430


def test_the_watch_finds_no_error_in_what_the_champion_learned_from(flown: Flown) -> None:
    dag = "report_quality_flights"
    details = flown.service.xcom(dag, flown.runs[dag], "report_quality")["details"]
    assert details["errors"] == {}
    assert details["rows_now"] == 336_776 - 9_430


def test_the_events_of_the_assets_carry_version_rows_and_verdict(flown: Flown) -> None:
    events = _events(flown.service)
    assert {*events} == {"features_flights", "model_flights", "predictions_flights"}
    features = events["features_flights"]
    table = flown.service.xcom(DAGS[0], RUN, "engineer_features")["tables"][0]
    assert (features["table"], features["version"]) == (table, int(table.rpartition("@v")[2]))
    assert features["quality"]["success"] is True
    assert features["quality"]["checks"] > 0
    assert events["model_flights"]["model"]["is_champion"] is True


def test_pages_of_the_flights(flown: Flown, tmp_path: Path) -> None:
    with browser(tmp_path) as page:
        log_in(page, flown.service)
        for dag, run in flown.runs.items():
            last = [*flown.service.task_states(dag, run)][-1]
            page.open(f"{flown.service.url}/dags/{dag}")
            page.wait_for(f"document.querySelectorAll('a[href*=\"/tasks/{last}\"]').length")
            wait_until_loaded(page)
            page.screenshot(SCREENSHOTS / f"{dag}-grid.png")
        page.evaluate("localStorage.setItem('default_dag_view', '\"graph\"')")
        for dag, run in flown.runs.items():
            page.open(f"{flown.service.url}/dags/{dag}/runs/{run}")
            tasks = len(flown.service.task_states(dag, run))
            page.wait_for(f"document.querySelectorAll('.react-flow__node').length >= {tasks}")
            page.wait_for("document.body.innerText.includes('Success')")
            wait_until_loaded(page)
            page.screenshot(SCREENSHOTS / f"{dag}-graph.png")
        page.open(f"{flown.service.url}/assets")
        page.wait_for("document.body.innerText.includes('predictions_flights')")
        wait_until_loaded(page)
        page.screenshot(SCREENSHOTS / "assets.png")
        number = flown.service.asset("features_flights")
        page.open(f"{flown.service.url}/assets/{number}")
        page.wait_for("document.querySelectorAll('.react-flow__node').length > 1")
        wait_until_loaded(page)
        page.screenshot(SCREENSHOTS / "asset-features.png")


def _events(service: Airflow) -> dict[str, Any]:
    """What the last event of each asset carries."""
    found = service.get("assets/events?order_by=timestamp&limit=100")["asset_events"]
    return {item["name"]: item["extra"] for item in found}
