"""One process holds a lock; others wait, are told for whom, and get it when that one has ended."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import pipelines.lock
from pipelines.errors import LockedError
from pipelines.lock import hold_lock

_HOLD = """
import sys, time
from pathlib import Path
from pipelines.lock import hold_lock
with hold_lock(Path(sys.argv[1]), "it"):
    print("held", flush=True)
    time.sleep(600)
"""


@pytest.fixture
def holder(tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-c", _HOLD, str(tmp_path / "t.lock")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        assert process.stdout.readline() == "held\n"
        yield process
        process.kill()


def test_who_waited_long_enough_is_told_what_is_held_and_by_whom(
    holder: subprocess.Popen[str], tmp_path: Path
) -> None:
    with (
        pytest.raises(LockedError, match=rf"the table t is being .*: process {holder.pid} on "),
        hold_lock(tmp_path / "t.lock", "the table t", wait_s=0),
    ):
        pass


def test_waiting_is_said_once(
    holder: subprocess.Popen[str],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(pipelines.lock, "_SAY_AFTER_S", 0.0)
    monkeypatch.setattr(pipelines.lock, "_POLL_S", 0.01)
    with pytest.raises(LockedError), hold_lock(tmp_path / "t.lock", "the table t", wait_s=0.2):
        pass
    (said,) = capsys.readouterr().err.splitlines()
    assert said.startswith(f"waiting for the table t: process {holder.pid} on ")


def test_a_killed_process_leaves_no_lock(holder: subprocess.Popen[str], tmp_path: Path) -> None:
    lock = tmp_path / "t.lock"
    holder.kill()
    holder.wait()
    assert f"process {holder.pid} " in lock.read_text()  # which says nothing any more
    with hold_lock(lock, "the table t", wait_s=0):
        assert f"process {os.getpid()} " in lock.read_text()
    assert lock.read_text() == ""


def test_who_waits_goes_on_when_the_holder_has_ended(
    holder: subprocess.Popen[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    waits: list[float] = []

    def end_holder(seconds: float) -> None:
        waits.append(seconds)
        holder.kill()
        holder.wait()

    monkeypatch.setattr("pipelines.lock.time.sleep", end_holder)
    with hold_lock(tmp_path / "t.lock", "the table t"):
        assert len(waits) == 1
