"""Airflow's own environment, in one process for all tests of this folder."""

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from jobs.render import FORMAT, render_dataset
from schemas.catalog import dataset
from tests.end_to_end.parcels import SPEC as PARCELS

ROOT = Path(__file__).parents[2]
PYTHON = ROOT / "build" / "airflow" / "venv" / "bin" / "python"
HERE = Path(__file__).parent
_WAIT_S = 600.0
RETRIES = {"GRISTMILL_RETRIES": "2", "GRISTMILL_RETRY_DELAY_S": "0"}


@dataclass
class Airflow:
    """Asks the process that runs in Airflow's environment."""

    folder: Path
    process: subprocess.Popen[str]
    log: Path
    environment: dict[str, str]
    asked: int = field(default=0)

    def ask(self, ask: str, environment: dict[str, str] | None = None, **more: Any) -> Any:
        """Ask, and wait for the answer."""
        self.asked += 1
        answer = self.folder / f"answer-{self.asked}.json"
        seen = {**self.environment, **(environment or {})}
        request = {"ask": ask, "environment": seen, "answer": str(answer), **more}
        assert self.process.stdin
        self.process.stdin.write(json.dumps(request) + "\n")
        self.process.stdin.flush()
        until = time.monotonic() + _WAIT_S
        while not answer.exists():
            assert self.process.poll() is None, self.log.read_text()[-3000:]
            assert time.monotonic() < until, self.log.read_text()[-3000:]
            time.sleep(0.05)
        return json.loads(answer.read_text())


@dataclass
class Project:
    """A folder that stands for the project where tasks run: what was called there, and how."""

    airflow: Airflow
    folder: Path
    lake: Path
    logged: str = ""

    def play(self, job: str, **play: Any) -> None:
        """Tell a job how to behave."""
        path = self.folder / "plays" / f"{job}.json"
        path.parent.mkdir(exist_ok=True)
        path.write_text(json.dumps(play))

    def run(
        self,
        dag: str,
        params: dict[str, Any] | None = None,
        environment: dict[str, str] | None = None,
    ) -> dict[str, Any]:
        """Run a DAG by ``dag.test()``; ``logged`` holds what it and its tasks logged."""
        before = len(self.airflow.log.read_text())
        seen = {**self.environment(), **(environment or {})}
        said = self.airflow.ask("run", seen, dag=dag, params=params)
        self.logged = self.airflow.log.read_text()[before:]
        return said

    def environment(self) -> dict[str, str]:
        """What tasks are told of this installation."""
        return {
            "GRISTMILL_PROJECT": str(self.folder),
            "GRISTMILL_LAKE": str(self.lake),
            "GRISTMILL_NOTICES": str(self.folder / "notices.jsonl"),
            "GRISTMILL_DEADLINE_HOURS": "0",
            "GRISTMILL_RETRIES": "0",
            "AIRFLOW_CONN_SPARK_DEFAULT": json.dumps({"conn_type": "spark", "host": "local[2]"}),
        }

    @property
    def calls(self) -> list[dict[str, Any]]:
        """Jobs that were called so far, with flags and environment."""
        path = self.folder / "calls.jsonl"
        return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []

    @property
    def notices(self) -> list[dict[str, Any]]:
        """What people were told."""
        path = self.folder / "notices.jsonl"
        return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


@pytest.fixture(scope="session")
def rendering() -> dict[str, Any]:
    """A data set with a schedule, and one without."""
    return {
        "format": FORMAT,
        "datasets": [render_dataset(dataset("flights")), render_dataset(PARCELS)],
    }


@pytest.fixture(scope="session")
def airflow(
    tmp_path_factory: pytest.TempPathFactory, rendering: dict[str, Any]
) -> Iterator[Airflow]:
    folder = tmp_path_factory.mktemp("airflow")
    (folder / "dags.json").write_text(json.dumps(rendering))
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("AIRFLOW_", "GRISTMILL_")) and name != "PYTHONPATH"
    }
    settings = {
        "AIRFLOW_HOME": str(folder / "home"),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__CORE__DAGS_FOLDER": str(ROOT / "airflow_dags"),
        "AIRFLOW__CORE__PLUGINS_FOLDER": str(ROOT / "airflow_dags" / "plugins"),
        "GRISTMILL_DAGS": str(folder / "dags.json"),
    }
    log = folder / "log.txt"
    with log.open("w") as output:
        process = subprocess.Popen(
            [str(PYTHON), str(HERE / "probe.py")],
            stdin=subprocess.PIPE,
            stdout=output,
            stderr=subprocess.STDOUT,
            env={**kept, **settings, "PYTHONDONTWRITEBYTECODE": "1"},
            text=True,
        )
    yield Airflow(folder, process, log, {})
    assert process.stdin
    process.stdin.close()
    process.wait(timeout=60)


@pytest.fixture
def project(airflow: Airflow, tmp_path: Path) -> Project:
    """A folder with all that a task looks for, where the jobs are played."""
    folder = tmp_path / "project"
    for name in ("infra/airflow", "build/venv/bin", "jobs"):
        (folder / name).mkdir(parents=True)
    job = folder / "infra" / "airflow" / "job"
    played = (HERE / "job.py").read_text()
    job.write_text(f"#!{sys.executable}\n{played}")
    job.chmod(0o700)
    for name in ("python", "spark-submit"):
        shutil.copy(job, folder / "build" / "venv" / "bin" / name)
    return Project(airflow, folder, tmp_path / "lake")
