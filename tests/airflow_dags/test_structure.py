"""How the DAGs are made: order, gates, triggers, pools and retries, as the steps declare them."""

import json
from pathlib import Path
from typing import Any

import pytest

from jobs.steps import STEPS
from tests.airflow_dags.conftest import Airflow

KINDS = ("prepare", "train", "score", "report_quality", "maintain_tables")


@pytest.fixture(scope="module")
def dags(airflow: Airflow) -> dict[str, Any]:
    said = airflow.ask("describe")
    assert said["errors"] == {}
    return said["dags"]


def _order(dag: dict[str, Any]) -> list[str]:
    """Names of tasks that follow one another, one by one."""
    after = {name: task["after"] for name, task in dag["tasks"].items()}
    found: list[str] = []
    while len(found) < len(after):
        (ready,) = [name for name in after if name not in found and after[name] == found[-1:]]
        found.append(ready)
    return found


def test_one_file_is_parsed_and_none_of_the_pipelines_is_imported(airflow: Airflow) -> None:
    watched = ["pipelines", "schemas", "jobs", "pyspark", "great_expectations", "tensorflow"]
    said = airflow.ask("parse", watched=watched)
    assert said["errors"] == {}
    assert [file.rpartition("/")[2] for file in said["files"]] == ["gristmill.py"]
    assert said["imported"] == []


def test_each_data_set_has_one_set_of_dags(dags: dict[str, Any]) -> None:
    assert set(dags) == {f"{kind}_{name}" for kind in KINDS for name in ("flights", "parcels")}


def test_each_step_of_prepare_is_followed_by_its_gate(dags: dict[str, Any]) -> None:
    expected: list[str] = []
    for step in STEPS:
        if step.layer:
            expected += [step.name, f"validate_{step.layer}"]
    assert len(expected) == 10
    for name in ("flights", "parcels"):
        assert _order(dags[f"prepare_{name}"]) == expected


def test_a_model_is_evaluated_and_passes_the_gate_before_it_is_registered(
    dags: dict[str, Any],
) -> None:
    order = ["take_features", "train", "evaluate", "gate", "explain", "register"]
    assert _order(dags["train_flights"]) == order
    rules = {task["rule"] for dag in dags.values() for task in dag["tasks"].values()}
    assert rules == {"all_success"}


def test_dags_start_from_the_event_of_what_they_read(dags: dict[str, Any]) -> None:
    announced = {
        f"{name}.{task_id}": task["outlets"]
        for name, dag in dags.items()
        for task_id, task in dag["tasks"].items()
        if task["outlets"] and name.endswith("_flights")
    }
    assert announced == {
        "prepare_flights.validate_features": ["features_flights"],
        "train_flights.register": ["model_flights"],
        "score_flights.score": ["predictions_flights"],
    }
    assert "'features_flights'" in dags["train_flights"]["schedule"]
    assert "'features_flights'" in dags["score_flights"]["schedule"]
    assert "'model_flights'" in dags["score_flights"]["schedule"]
    assert "'predictions_flights'" in dags["report_quality_flights"]["schedule"]


def test_heavy_tasks_share_one_pool_and_a_dag_runs_once_at_a_time(dags: dict[str, Any]) -> None:
    light = {"take_features", "take_predictions", "gate", "register"}
    for dag in dags.values():
        assert dag["max_active_runs"] == 1
        assert dag["has_deadline"]
        for name, task in dag["tasks"].items():
            assert task["pool"] == ("default_pool" if name in light else "heavy"), name


def test_a_job_is_tried_again_after_a_delay_that_doubles_and_its_failure_is_told(
    dags: dict[str, Any],
) -> None:
    tasks = [task for dag in dags.values() for task in dag["tasks"].items()]
    assert {task["retries"] for name, task in tasks if name != "gate"} == {2}
    assert {(task["retry_delay_s"], task["backoff"]) for _, task in tasks} == {(60, 2)}
    assert all(task["tells"] for _, task in tasks)


def test_a_scheduled_data_set_is_prepared_by_the_intervals_of_its_contract(
    dags: dict[str, Any],
) -> None:
    dag = dags["prepare_flights"]
    assert "CronDataIntervalTimetable" in dag["schedule"]
    assert "0 0 1 * *" in dag["schedule"]
    assert (dag["start"], dag["end"]) == ("2013-01-01T00:00:00+00:00", "2014-01-01T00:00:00+00:00")
    assert dag["catchup"] is False


def test_a_data_set_without_a_schedule_is_prepared_by_hand_and_says_so(
    dags: dict[str, Any],
) -> None:
    assert dags["prepare_parcels"]["schedule"] is None
    assert "No schedule** in `schemas/parcels.py`" in dags["prepare_parcels"]["text"]


JANUARY = ["2013-01-01T00:00:00+00:00", "2013-02-01T00:00:00+00:00"]
MARCH = {"interval_start": "2013-03-01T00:00:00Z", "interval_end": "2013-04-01T02:00:00+02:00"}


@pytest.mark.parametrize(
    ("dataset", "kind", "params", "reads"),
    [
        ("flights", "scheduled", {}, JANUARY),
        ("flights", "backfill", {}, JANUARY),
        ("flights", "manual", {}, None),
        ("flights", "manual", MARCH, ["2013-03-01T00:00:00+00:00", "2013-04-01T00:00:00+00:00"]),
        ("flights", "backfill", MARCH, ["2013-03-01T00:00:00+00:00", "2013-04-01T00:00:00+00:00"]),
        ("parcels", "manual", {}, None),
    ],
)
def test_a_run_reads_its_interval_and_one_by_hand_all_or_what_its_params_say(
    airflow: Airflow, dataset: str, kind: str, params: dict[str, str], reads: list[str] | None
) -> None:
    said = airflow.ask("interval", dataset=dataset, kind=kind, params=params, interval=JANUARY)
    assert said == {"reads": reads}


def test_a_scheduled_run_after_the_end_of_the_schedule_is_skipped(airflow: Airflow) -> None:
    after = ["2014-01-01T00:00:00+00:00", "2014-02-01T00:00:00+00:00"]
    said = airflow.ask("interval", dataset="flights", kind="scheduled", params={}, interval=after)
    assert said["raised"].startswith(
        "AirflowSkipException: flights: its schedule ended with 2014-01-01T00:00:00+00:00"
    )


def test_a_run_that_is_late_is_told(airflow: Airflow, tmp_path: Path) -> None:
    context = {"dag_run": {"dag_run_id": "scheduled__1"}, "deadline": {}}
    notices = tmp_path / "notices.jsonl"
    told = {
        "GRISTMILL_NOTICES": str(notices),
        "GRISTMILL_LAKE": "/lake",
        "AIRFLOW__API__BASE_URL": "http://mill:8080/",
    }
    said = airflow.ask("late", told, dag="train_flights", context=context)
    assert said == {"path": "gristmill_deadlines.tell_of_delay"}
    (notice,) = [json.loads(line) for line in notices.read_text().splitlines()]
    del notice["at"]
    assert notice == {
        "event": "late",
        "dag": "train_flights",
        "run": "scheduled__1",
        "error": "over 6 hours",
        "report": "/lake/flights/reports/quality/index.html",
        "log": "http://mill:8080/dags/train_flights/runs/scheduled__1",
    }


def test_the_params_of_training_have_limits(airflow: Airflow) -> None:
    said = airflow.ask("describe", {"GRISTMILL_NP": "3", "GRISTMILL_MAX_NP": "4"})
    ranks = said["dags"]["train_flights"]["params"]["np"]
    assert (ranks["minimum"], ranks["maximum"]) == (1, 4)


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("GRISTMILL_NP", "many", "GRISTMILL_NP: expected a whole number; got 'many'"),
        ("GRISTMILL_DEADLINE_HOURS", "soon", "expected hours, such as 1.5; got 'soon'"),
        ("GRISTMILL_DAGS", "/nowhere/dags.json", "Run infra/airflow/render"),
    ],
)
def test_what_the_dags_cannot_be_made_of_is_one_import_error(
    airflow: Airflow, name: str, value: str, words: str
) -> None:
    said = airflow.ask("describe", {name: value})
    assert said["dags"] == {}
    assert len(said["errors"]) == 1
    assert words in next(iter(said["errors"].values()))
