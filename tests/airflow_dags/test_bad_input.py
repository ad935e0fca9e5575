"""What is missing or wrong: a failed task with one clear message, and nothing done."""

import shutil
from typing import Any

import pytest

from tests.airflow_dags.conftest import RETRIES, Project

START, END = "2013-01-01T00:00:00Z", "2013-02-01T00:00:00Z"


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        (
            {"GRISTMILL_SPARK_CONN": "absent"},
            "expected an Airflow connection 'absent', which GRISTMILL_SPARK_CONN names",
        ),
        (
            {"GRISTMILL_REGISTRY_CONN": "absent"},
            "expected an Airflow connection 'absent', which GRISTMILL_REGISTRY_CONN names",
        ),
        (
            {"GRISTMILL_REGISTRY": "postgresql://mill:canary-Pw" + "@localhost/models"},
            "GRISTMILL_REGISTRY: expected an address without a password",
        ),
        ({"GRISTMILL_DEPLOY_MODE": "cluster"}, "expected client; got 'cluster'"),
        ({"GRISTMILL_SPARK_CONF": "a=b"}, "expected spark.NAME=VALUE; got ['a']"),
    ],
)
def test_a_setting_that_cannot_be_meant_fails_before_any_job(
    project: Project, settings: dict[str, str], words: str
) -> None:
    _fails(project, words, environment=settings | RETRIES)
    assert "canary-Pw" not in project.logged
    assert project.calls == []


def test_a_project_that_was_not_set_up_fails_before_any_job(project: Project) -> None:
    shutil.rmtree(project.folder / "build")
    _fails(project, "['build/venv/bin/python'] are missing. Run infra/bin/setup")
    assert project.calls == []


def test_a_data_set_without_a_schedule_has_no_intervals(project: Project) -> None:
    words = "parcels: expected no interval, since the contract has no schedule"
    _fails(project, words, {"interval_start": START, "interval_end": END})
    assert project.calls == []


@pytest.mark.parametrize(
    "params",
    [
        {"interval_start": END, "interval_end": START},
        {"interval_start": START, "interval_end": START},
        {"interval_start": START},
        {"interval_start": "yesterday", "interval_end": END},
    ],
)
def test_an_interval_that_is_none_is_refused(project: Project, params: dict[str, Any]) -> None:
    _fails(project, "expected interval_start < interval_end", params, dag="prepare_flights")
    assert project.calls == []


@pytest.mark.parametrize(
    ("dag", "params", "words"),
    [
        ("train_parcels", {"np": 0}, "0 is less than the minimum of 1"),
        ("train_parcels", {"np": 99}, "99 is greater than the maximum of 8"),
        ("train_parcels", {"dataset": "flights"}, "'parcels' was expected"),
        ("score_parcels", {"model": "latest"}, "'latest' does not match"),
    ],
)
def test_a_param_out_of_range_is_refused(
    project: Project, dag: str, params: dict[str, Any], words: str
) -> None:
    said = project.run(dag, params)
    assert words in said.get("raised", project.logged)
    assert said.get("state") != "success"
    assert project.calls == []


@pytest.mark.parametrize("printed", ["", "done", '["a", "list"]', '{"dataset": "flights"}'])
def test_a_job_without_its_line_fails_and_is_not_tried_again(
    project: Project, printed: str
) -> None:
    project.play("ingest", prints=[printed], code=0)
    _fails(
        project,
        "jobs/ingest.py: expected one JSON line about parcels as the last it prints",
        environment=RETRIES,
    )
    assert len(project.calls) == 1


def test_a_version_that_nobody_announced_is_refused(project: Project) -> None:
    project.run("prepare_parcels")
    said = project.run("train_parcels", {"features_version": 77})
    assert said["states"]["take_features"] == "failed"
    assert "version 77 that was announced as features_parcels; found versions [4" in project.logged


def _fails(
    project: Project,
    words: str,
    params: dict[str, Any] | None = None,
    environment: dict[str, str] | None = None,
    dag: str = "prepare_parcels",
) -> None:
    """The first job that meets it fails for good, says it, and people are told."""
    said = project.run(dag, params, environment)
    assert said["state"] == "failed", project.logged[-3000:]
    assert "failed" in said["states"].values()
    assert words in project.logged
    assert words in project.notices[-1]["error"]
    assert not project.lake.exists()
