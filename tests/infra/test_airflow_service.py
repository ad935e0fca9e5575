"""infra/bin/airflow where nothing is started: what it refuses, and that a stop leaves nothing."""

import json
import os
import shutil
import socket
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from tests.airflow_service import SMALL, connect, processes_of

ROOT = Path(__file__).parents[2]
COMMAND = ROOT / "infra" / "bin" / "airflow"


def _airflow(home: Path, *flags: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(COMMAND), "--home", str(home), *flags],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
        timeout=600,
    )


@pytest.fixture
def dags(tmp_path: Path) -> Path:
    folder = tmp_path / "dags"
    folder.mkdir()
    return folder


def test_a_port_that_is_taken_is_refused(tmp_path: Path, dags: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        done = _airflow(tmp_path, "start", "--port", str(port), "--dags", str(dags))
    assert done.returncode == 1
    assert done.stderr == (
        f"airflow: port {port} is taken; give another, or --port 0 for a free one\n"
    )


@pytest.mark.parametrize(
    ("database", "said"),
    [
        (
            "postgresql://ada:canary" + "@127.0.0.1/airflow",
            "expected an address without a password",
        ),
        ("postgresql://127.0.0.1/airflow?user=ada&password=canary", "without a password"),
        ("mysql://127.0.0.1/airflow", "expected postgresql+psycopg2://USER@HOST/NAME"),
    ],
)
def test_a_database_that_cannot_be_meant_is_refused(
    tmp_path: Path, dags: Path, database: str, said: str
) -> None:
    done = _airflow(tmp_path, "start", "--port", "0", "--dags", str(dags), "--database", database)
    assert done.returncode == 1
    assert said in done.stderr
    assert "canary" not in done.stderr
    assert done.stderr.count("\n") == 1


def test_a_database_that_cannot_be_reached_is_named_without_its_password(
    tmp_path: Path, dags: Path
) -> None:
    address = "postgresql+psycopg2://ada:canary" + f"@/airflow?host={tmp_path}"
    done = _airflow(
        tmp_path / "home", "start", "--port", "0", "--dags", str(dags),
        AIRFLOW__DATABASE__SQL_ALCHEMY_CONN=address,
    )  # fmt: skip
    assert done.returncode == 1
    shown = "postgresql+psycopg2://ada:***" + "@/airflow"
    assert done.stderr.startswith(f"airflow: the metadata database {shown}")
    assert "can't be reached: connection to server on socket" in done.stderr
    assert done.stderr.count("\n") == 1
    said = [path.read_text() for path in (tmp_path / "home" / "logs").rglob("*") if path.is_file()]
    assert "canary" not in "".join([done.stdout, done.stderr, *said])
    assert _airflow(tmp_path / "home", "status").returncode == 3


def test_a_folder_of_dags_that_is_not_there_is_refused(tmp_path: Path) -> None:
    done = _airflow(tmp_path, "start", "--port", "0", "--dags", str(tmp_path / "none"))
    assert done.returncode == 1
    assert "--dags: expected a folder of DAGs" in done.stderr


def test_where_nothing_runs_status_says_so_stop_is_no_error_and_cli_asks_for_a_start(
    tmp_path: Path,
) -> None:
    status, stop = _airflow(tmp_path, "status"), _airflow(tmp_path / "none", "stop")
    assert (status.returncode, stop.returncode) == (3, 0)
    assert "doesn't run" in status.stdout
    assert "doesn't run" in stop.stdout
    cli = _airflow(tmp_path, "cli", "dags", "list")
    assert cli.returncode == 1
    assert "infra/bin/airflow start does it" in cli.stderr


def test_without_its_environment_it_says_how_to_make_it(tmp_path: Path) -> None:
    (tmp_path / "infra" / "bin").mkdir(parents=True)
    for name in ("bin/airflow", "environment.sh", "java.sh"):
        shutil.copy(ROOT / "infra" / name, tmp_path / "infra" / name)
    done = subprocess.run(
        [str(tmp_path / "infra" / "bin" / "airflow"), "status"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert done.stderr == "airflow: not set up yet; run infra/bin/setup --airflow\n"


def test_keys_and_password_are_made_once_and_only_their_user_reads_them(tmp_path: Path) -> None:
    home = tmp_path / "home"
    code = (
        "import pathlib, sys; sys.path.insert(0, sys.argv[1]); import settings as s\n"
        "s.write_secrets(s.Settings(pathlib.Path(sys.argv[2]), 8080, pathlib.Path('/none')))"
    )
    command = [sys.executable, "-c", code, str(ROOT / "infra" / "airflow"), str(home)]
    made: list[str] = []
    for _ in range(2):
        subprocess.run(command, check=True)
        made.append("".join(path.read_text() for path in sorted(home.iterdir())))
    assert made[0] == made[1]
    assert {path.name for path in home.iterdir()} == {"airflow.cfg", "passwords.json"}
    assert {path.stat().st_mode & 0o777 for path in home.iterdir()} == {0o600}
    assert home.stat().st_mode & 0o777 == 0o700
    assert len(json.loads((home / "passwords.json").read_text())["admin"]) >= 16


def test_a_stop_ends_a_component_its_children_and_what_they_left_behind(tmp_path: Path) -> None:
    """One child doesn't listen to SIGTERM, the other has left its parent and its session."""
    pids = tmp_path / "pids"
    stubborn = f"(trap '' TERM; echo $BASHPID >>{pids}; while :; do sleep 1; done) &"
    apart = f"(setsid sleep 1001 & echo $! >>{pids}); echo $$ >>{pids}"
    script = f"{stubborn} {apart}; wait"
    environment = {**os.environ, "GRISTMILL_AIRFLOW_SERVICE": str(tmp_path)}
    process = subprocess.Popen(["bash", "-c", script], env=environment, start_new_session=True)
    started = psutil.Process(process.pid).create_time()
    while not pids.exists() or len(pids.read_text().splitlines()) < 3:
        time.sleep(0.05)
    ids = [int(line) for line in pids.read_text().splitlines()]
    component = {"name": "scheduler", "pid": process.pid, "started": started}
    (tmp_path / "components.json").write_text(json.dumps([component]))
    done = _airflow(tmp_path, "stop", "--wait", "0")
    process.wait()
    assert done.stdout == "airflow: stopped\n"
    assert [pid for pid in ids if _runs(pid)] == []


def _runs(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def test_a_stop_leaves_a_process_alone_that_has_only_got_the_number(tmp_path: Path) -> None:
    with subprocess.Popen(["sleep", "1004"]) as process:
        component = {"name": "scheduler", "pid": process.pid, "started": 1.0}
        (tmp_path / "components.json").write_text(json.dumps([component]))
        done = _airflow(tmp_path, "stop", "--wait", "0")
        still_runs = process.poll() is None
        process.kill()
    assert still_runs
    assert "doesn't run" in done.stdout


_DAG = """
from datetime import datetime, timedelta
from airflow.sdk import DAG
from airflow.providers.standard.operators.bash import BashOperator

with DAG("waits", start_date=datetime(2026, 1, 1), schedule=None):
    BashOperator(
        task_id="wait", retries=1, retry_delay=timedelta(0),
        bash_command="echo begun >>{folder}/begun; [ -e {folder}/go ] || sleep 1005",
    )
"""


@pytest.mark.slow
def test_a_task_that_a_stop_has_ended_is_tried_again_after_the_next_start(
    tmp_path: Path, dags: Path
) -> None:
    home, begun = tmp_path / "home", tmp_path / "begun"
    (dags / "waits.py").write_text(_DAG.format(folder=tmp_path))
    start = ("start", "--port", "0", "--dags", str(dags))
    try:
        assert _airflow(home, *start, **SMALL).returncode == 0
        status = _airflow(home, "status")
        assert (status.returncode, status.stdout.count("healthy")) == (0, 4)
        again = _airflow(home, *start)
        assert (again.returncode, "it runs already" in again.stderr) == (1, True)
        service = connect(home)
        service.wait_for_dags("waits")
        service.unpause("waits")
        service.trigger("waits", "one")
        while not begun.exists():
            time.sleep(0.2)
        assert _airflow(home, "stop", "--wait", "1").returncode == 0
        assert processes_of(home) == []
        (tmp_path / "go").touch()
        assert _airflow(home, *start, **SMALL).returncode == 0
        assert connect(home).wait_for_run("waits", "one", 900) == "success"
        assert begun.read_text() == "begun\nbegun\n"
    finally:
        _airflow(home, "stop", "--wait", "1")
    assert processes_of(home) == []
