"""A rank that no launcher watches: it ends itself when it hangs."""

import subprocess
import sys
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]


def _rank(code: str, hang_s: float, size: int = 2) -> subprocess.CompletedProcess[str]:
    begin = (
        "import time; from pipelines.training.heartbeat import heartbeat\n"
        "from pipelines.world import World\n"
        f"with heartbeat(World({size - 1}, {size}), {hang_s}) as beat:\n"
    )
    return subprocess.run(
        [sys.executable, "-c", begin + code],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=30,
    )


@pytest.mark.proves("F22")
def test_a_rank_that_hangs_ends_in_bounded_time_and_says_after_which_step() -> None:
    started = time.monotonic()
    done = _rank("    beat(); beat(); time.sleep(60)", hang_s=1)
    assert time.monotonic() - started < 10
    assert done.returncode == 1
    assert len(done.stderr.splitlines()) == 1
    assert done.stderr.startswith(
        "error: rank 1 of 2 had to stop: expected a step; none was begun for "
    )
    assert "after 2 steps" in done.stderr


def test_a_rank_that_never_begins_a_step_ends_too() -> None:
    assert "after 0 steps" in _rank("    time.sleep(60)", hang_s=1).stderr


def test_a_rank_that_moves_is_left_alone() -> None:
    moving = "    for _ in range(6): beat(); time.sleep(0.5)\n"
    saving = "time.sleep(2.5); print('saved')"
    done = _rank(moving + saving, hang_s=2)
    assert (done.returncode, done.stdout, done.stderr) == (0, "saved\n", "")


def test_one_rank_alone_is_not_watched() -> None:
    assert _rank("    time.sleep(2)", hang_s=0.5, size=1).returncode == 0
