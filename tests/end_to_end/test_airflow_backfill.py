"""Airflow fills in five days, one run each, and leaves the tables of one run over all of them."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.airflow_service import Airflow, airflow
from tests.end_to_end.checkout import contents
from tests.end_to_end.scheduled import ScheduledProject, make_project
from tests.postgres_server import USER, postgres_server

DAG = "prepare_parcels"
DAYS = ("2026-11-01", "2026-11-05")
_MAIN = ("raw", "deduplicated", "split", "imputed", "features")
TABLES = [("raw", "depots"), *((layer, "parcels") for layer in _MAIN)]
WAIT_S = 3000.0
pytestmark = pytest.mark.slow


@dataclass(frozen=True, slots=True)
class Filled:
    """An Airflow that has filled in what it was asked for."""

    service: Airflow
    project: ScheduledProject
    states: dict[str, str]


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Filled]:
    """Ask for the five days in which there are parcels."""
    folder = tmp_path_factory.mktemp("filled")
    schedule = 'Schedule("@daily", start="2026-11-01", end="2026-11-06")'
    project = make_project(folder, schedule)
    # while its scheduler runs, SQLite is locked for as many runs at once
    with (
        postgres_server("airflow") as databases,
        airflow(
            folder / "home",
            project.dags,
            f"postgresql+psycopg2://{USER}@/airflow?host={databases}",
            project.environment(),
        ) as service,
    ):
        service.wait_for_dags(DAG)
        service.unpause(DAG)
        ask = ["backfill", "create", "--dag-id", DAG, "--from-date", DAYS[0], "--to-date", DAYS[1]]
        done = service.command(*ask, "--reprocess-behavior", "completed", "--max-active-runs", "1")
        assert done.returncode == 0, done.stderr
        runs = [
            run["dag_run_id"]
            for run in service.get(f"dags/{DAG}/dagRuns?limit=100")["dag_runs"]
            if run["run_type"] == "backfill"
        ]
        yield Filled(
            service, project, {run: service.wait_for_run(DAG, run, WAIT_S) for run in runs}
        )


def test_a_backfill_of_five_days_leaves_the_tables_of_one_run_over_all(
    filled: Filled, tmp_path: Path
) -> None:
    assert [*filled.states.values()] == ["success"] * 5
    kept = [filled.service.xcom(DAG, run, "ingest")["rows"]["parcels"] for run in filled.states]
    # of 3,060 lines 600 parcels a day, 30 repeated and 20 delayed ones are good; each is kept once
    assert {rows["read"] for rows in kept} == {3060}
    assert sum(rows["kept"] for rows in kept) == 3050
    at_once = filled.project.checkout.run(tmp_path, "--until", "engineer_features")
    assert at_once.returncode == 0, at_once.stderr
    for layer, source in TABLES:
        expected = contents(tmp_path, "parcels", layer, source)
        assert contents(filled.project.lake, "parcels", layer, source) == expected, layer
