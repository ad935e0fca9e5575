"""The job ``search`` as a program: killed in a trial, it goes on and trains nothing twice."""

import json
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from tests.end_to_end.checkout import kill_tree
from tests.pipelines.loading.tables import rows, write_table

ROOT = Path(__file__).parents[2]
STATE = {
    "dataset": "toy",
    "fingerprint": "0" * 16,
    "features": [
        {"name": "x1", "kind": "numeric", "size": 0},
        {"name": "c0", "kind": "categorical", "size": 5},
    ],
    "label": "label",
}


@pytest.fixture
def command(tmp_path: Path) -> list[str]:
    write_table(
        tmp_path / "features",
        {"train": [rows(480, seed=1), rows(240, seed=2)], "validation": [rows(240, seed=4)]},
    )
    (tmp_path / "state.json").write_text(json.dumps(STATE))
    space = {"learning_rate": {"low": 0.0001, "high": 0.1, "log": True}}
    (tmp_path / "space.json").write_text(json.dumps(space))
    places = {
        "features": f"{tmp_path / 'features'}@v0", "state": tmp_path / "state.json",
        "space": tmp_path / "space.json", "root": tmp_path / "lake",
    }  # fmt: skip
    flags = [word for name, path in places.items() for word in (f"--{name}", str(path))]
    job = [sys.executable, str(ROOT / "jobs" / "search.py"), "--dataset", "toy", *flags]
    return [*job, "--np", "1", "--patience", "0", "--global-batch-size", "48", "--hidden", "8"]


def _run(command: list[str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=600
    )


def _pointers(root: Path) -> list[Path]:
    return sorted(root.glob("toy/trainings/*/checkpoints/pointer.json"))


def test_killed_in_a_trial_it_goes_on_from_its_checkpoint(
    command: list[str], tmp_path: Path
) -> None:
    lake, log = tmp_path / "lake", tmp_path / "log"
    flags = ["--trials", "2", "--epochs", "40"]
    with log.open("w") as out:
        killed = subprocess.Popen(
            [*command, *flags], cwd=ROOT, stdout=out, stderr=out, start_new_session=True
        )
        deadline = time.monotonic() + 300
        while not _pointers(lake) and time.monotonic() < deadline and killed.poll() is None:
            time.sleep(0.02)
        assert _pointers(lake), log.read_text()
        kill_tree(killed)
    assert killed.returncode == -signal.SIGKILL
    done = _run([*command, *flags])
    assert done.returncode == 0, done.stderr
    assert "1 trials were under way when the search ended: they are tried again" in done.stderr
    result: dict[str, Any] = json.loads(done.stdout)
    summary = json.loads(Path(result["files"]["summary"]).read_text())
    states = [(trial["state"], trial["why"]) for trial in summary["trials"]]
    assert states[0] == ("fail", "the search was stopped")
    assert [state for state, _ in states].count("complete") == 2
    # the trial that was cut short went on in the folder of its checkpoint
    assert len(list(lake.glob("toy/steps/train-*.json"))) == 2
    assert summary["trials"][1]["parameters"] == summary["trials"][0]["parameters"]
    again = _run([*command, *flags])
    assert json.loads(again.stdout)["is_reused"]


def test_an_unknown_parameter_or_flag_is_one_line(command: list[str], tmp_path: Path) -> None:
    (tmp_path / "space.json").write_text('{"learning_rat": [0.1]}')
    done = _run(command)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("error: --space: expected parameters of train among activation, ")
    assert done.stderr.count("\n") == 1
    wrong = _run([*command, "--learning-rat", "0.1"])
    assert wrong.returncode == 2
    assert wrong.stderr.startswith("error: unrecognized arguments: --learning-rat 0.1")
