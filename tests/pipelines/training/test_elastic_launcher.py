"""The elastic launcher: who is on which roster, and when it gives up. Ranks without TensorFlow."""

import sys
import time
from pathlib import Path

import pytest

from pipelines.errors import RankLostError, TrainingError
from pipelines.training.crew import Elastic
from pipelines.training.elastic_launcher import launch_elastic

ROOT = Path(__file__).parents[3]
# what a rank of these tests can do; a world is written down by each of its ranks
RANK = """
import os, signal, sys, threading, time
from pathlib import Path
from pipelines.training.heartbeat import heartbeat
from pipelines.training.roster import Seat

process, here = int(os.environ["GRISTMILL_PROCESS"]), Path({folder!r})
seat = Seat.find()
deadline = threading.Timer(25, os._exit, (7,))  # a fault must not be an endless test
deadline.daemon = True
deadline.start()
(here / f"pid-{{process}}").write_text(str(os.getpid()))

def ranks_of(number):
    path = here / "worlds"
    lines = path.read_text().splitlines() if path.exists() else []
    return [line for line in lines if line.startswith(f"{{number}}: ")]

def until(is_so):
    while not is_so():
        time.sleep(0.02)

def join():
    roster, rank = seat.wait()
    with (here / "worlds").open("a") as file:
        file.write(f"{{roster.number}}: {{rank}} of {{len(roster.members)}} is {{process}}\\n")
    until(lambda: len(ranks_of(roster.number)) == len(roster.members))

def until_gone(other):
    pid = (here / f"pid-{{other}}").read_text()
    until(lambda: not Path(f"/proc/{{pid}}").exists())

def end(how):
    os.kill(os.getpid(), how)
"""


def _run(folder: Path, code: str, size: int, elastic: Elastic, hang_s: float = 60.0) -> list[str]:
    """Which process was which rank of which roster, after the first one."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", str(ROOT))
        command = [sys.executable, "-c", RANK.format(folder=str(folder)) + code]
        launch_elastic(command, size, elastic, hang_s=hang_s)
    lines = sorted((folder / "worlds").read_text().splitlines())
    return [line for line in lines if not line.startswith("1: ")]


def test_the_others_close_up_when_the_root_is_lost(tmp_path: Path) -> None:
    code = "join()\nif process == 0: end(signal.SIGKILL)\njoin()"
    worlds = _run(tmp_path, code, 3, Elastic(1, 0, (1, 2, 3)))
    assert worlds == ["2: 0 of 2 is 1", "2: 1 of 2 is 2"]


def test_a_new_process_is_taken_in_when_the_ranks_are_at_a_checkpoint(tmp_path: Path) -> None:
    code = (
        "if process == 2: until(lambda: ranks_of(2))\n"  # it starts slowly
        "join()\n"
        "if process == 1: end(signal.SIGKILL)\n"
        "if process == 0: join(); until(seat.is_recalled); join()"
    )
    worlds = _run(tmp_path, code, 2, Elastic(1, 1, (1, 2)))
    assert worlds == ["2: 0 of 1 is 0", "3: 0 of 2 is 0", "3: 1 of 2 is 2"]


def test_a_process_too_many_waits_until_it_is_needed(tmp_path: Path) -> None:
    code = (
        "join()\n"
        "if process == 3: end(signal.SIGKILL)\n"
        "join()\n"
        "if process < 2: time.sleep(0.5); assert not seat.is_recalled()\n"
        "if process == 1: end(signal.SIGKILL)\n"
        "if process == 0: join()"
    )
    worlds = _run(tmp_path, code, 4, Elastic(2, 0, (1, 2, 4)))
    assert worlds == ["2: 0 of 2 is 0", "2: 1 of 2 is 1", "3: 0 of 2 is 0", "3: 1 of 2 is 2"]


def test_fewer_ranks_than_asked_for_are_an_error_that_names_the_lost_one(tmp_path: Path) -> None:
    code = "join()\nif process == 1: end(signal.SIGKILL)\njoin()"
    message = "rank 1 of 2 was ended by SIGKILL; expected at least 2 ranks to go on"
    with pytest.raises(RankLostError, match=message):
        _run(tmp_path, code, 2, Elastic(2, 0, (1, 2)))


def test_a_root_lost_when_all_others_have_finished_is_an_error(tmp_path: Path) -> None:
    code = "join()\nif process == 0: end(signal.SIGKILL)\nuntil_gone(0); time.sleep(0.5)"
    with pytest.raises(RankLostError, match="expected a result of rank 0"):
        _run(tmp_path, code, 2, Elastic(1, 0, (1, 2)))


def test_a_rank_that_fails_by_itself_is_not_replaced(tmp_path: Path) -> None:
    code = "join()\nif process == 1: sys.exit('error: too hot')\njoin()"
    with pytest.raises(TrainingError, match=r"^rank 1 of 2: too hot$"):
        _run(tmp_path, code, 2, Elastic(1, 3, (1, 2)))


def test_a_rank_that_is_stopped_is_named_and_killed_in_bounded_time(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    code = (
        "join()\n"
        "with heartbeat() as beat:\n"
        "    for _ in range(3): beat(); time.sleep(0.3)\n"
        "    if process == 1: end(signal.SIGSTOP)\n"
        "    until_gone(1)\n"
        "join()"
    )
    started = time.monotonic()
    assert _run(tmp_path, code, 2, Elastic(1, 0, (1, 2)), 3.0) == ["2: 0 of 1 is 0"]
    assert time.monotonic() - started < 20
    assert "rank 1 of 2 hangs" in capfd.readouterr().err


def test_a_rank_that_does_not_come_back_is_named_and_killed_in_bounded_time(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    code = "join()\nif process == 1: end(signal.SIGSTOP)\njoin()"
    started = time.monotonic()
    assert _run(tmp_path, code, 2, Elastic(1, 0, (1, 2)), 2.0) == ["2: 0 of 1 is 0"]
    assert time.monotonic() - started < 20
    assert "process 1 hangs: the world has ended" in capfd.readouterr().err


def test_ranks_that_part_again_and_again_are_an_error(tmp_path: Path) -> None:
    with pytest.raises(RankLostError, match="lost each other though all live"):
        _run(tmp_path, "for _ in range(6): join()", 2, Elastic(1, 2, (1, 2)))
    assert (tmp_path / "worlds").read_text().splitlines()[-1].startswith("3: ")


def test_two_lost_at_once_are_both_replaced(tmp_path: Path) -> None:
    code = "join()\nif process < 2: end(signal.SIGKILL)\n"
    worlds = _run(tmp_path, code, 2, Elastic(2, 2, (1, 2)))
    assert worlds == ["2: 0 of 2 is 2", "2: 1 of 2 is 3"]
