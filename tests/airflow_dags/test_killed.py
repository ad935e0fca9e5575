"""A task that is killed, or told to end: never two writers. The processes are real."""

import psutil

from tests.airflow_dags.conftest import RETRIES, Project

SLEEPS = "import time; time.sleep(600)"
# asked to end, it first lets the task that asks be told to end
TELLS = """
import os, signal, sys, time
def tell(_signal, _frame):
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    os.kill(int(sys.argv[1]), signal.SIGTERM)
    sys.exit()
signal.signal(signal.SIGTERM, tell)
open("ready.txt", "w").close()
time.sleep(600)
"""


def _lives(number: int) -> bool:
    """Not gone, and not dead while nobody has asked how it ended."""
    try:
        return psutil.Process(number).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def test_what_a_killed_attempt_left_is_ended_before_the_next_one_begins(project: Project) -> None:
    project.play("ingest", leaves=SLEEPS)
    said = project.run("prepare_parcels", environment=RETRIES)
    assert said["states"]["ingest"] == "success", project.logged[-3000:]
    assert [call["job"] for call in project.calls].count("ingest") == 2
    assert (project.folder / "seen.txt").read_text() == "gone"


def test_a_task_that_is_told_to_end_ends_all_that_its_job_has_started(project: Project) -> None:
    project.play("ingest", is_told_to_end=True)
    said = project.run("prepare_parcels")
    assert said["states"]["ingest"] == "failed", project.logged[-3000:]
    assert not (project.folder / "outlived.txt").exists()
    left = [int(number) for number in (project.folder / "left.txt").read_text().split()]
    assert len(left) == 2
    assert [number for number in left if _lives(number)] == []
    assert [call["job"] for call in project.calls] == ["ingest"]
    (notice,) = project.notices
    assert "jobs/ingest.py of parcels was told to end, and has" in notice["error"]


def test_a_task_that_is_told_to_end_while_it_clears_up_starts_no_job(project: Project) -> None:
    project.play("ingest", leaves=TELLS)
    said = project.run("prepare_parcels", environment=RETRIES | {"GRISTMILL_RETRIES": "1"})
    assert said["states"]["ingest"] == "failed", project.logged[-3000:]
    assert [call["job"] for call in project.calls] == ["ingest"]
    assert not _lives(int((project.folder / "left.txt").read_text()))
    assert "was told to end, and has" in project.notices[-1]["error"]
