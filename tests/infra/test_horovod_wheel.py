"""What the patches of infra/horovod change in the wheel, seen from ranks that use it."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from pipelines.training.launcher import rank_environment
from pipelines.training.rendezvous import rendezvous

ROOT = Path(__file__).parents[2]
MIB = 2**20
HOUR_MS, HOUR_S = "3600000", 3600
# far more than it takes; a fault must not be an endless test
_LIMIT_S = 300


@contextmanager
def started(
    what: str, size: int, *, timeout_s: int = HOUR_S, **settings: str
) -> Generator[list[subprocess.Popen[str]]]:
    """Ranks without a launcher that would end the others when one ends.

    ``settings`` are in the environment of the last rank only where their name ends with ``_LAST``.
    """
    with rendezvous() as port:
        ranks: list[subprocess.Popen[str]] = []
        for number in range(size):
            own = {
                name.removesuffix("_LAST"): value
                for name, value in settings.items()
                if not name.endswith("_LAST") or number == size - 1
            }
            environment = rank_environment(number, size, port, timeout_s=timeout_s) | own
            ranks.append(
                subprocess.Popen(
                    [sys.executable, str(Path(__file__).with_name("horovod_ranks.py")), what],
                    env={**os.environ, "PYTHONPATH": str(ROOT), **environment},
                    stdout=subprocess.PIPE,
                    stderr=subprocess.DEVNULL,
                    text=True,
                )
            )
        try:
            yield ranks
        finally:
            for rank in ranks:
                rank.kill()
                rank.communicate()


def found_by(ranks: list[subprocess.Popen[str]]) -> dict[str, Any]:
    printed, _ = ranks[0].communicate(timeout=_LIMIT_S)
    return json.loads(printed.splitlines()[-1])


@pytest.fixture(scope="module")
def by_memory() -> dict[str, Any]:
    # a cycle of an hour: what waits for one never comes
    with started("results", 3, HOROVOD_CYCLE_TIME=HOUR_MS) as ranks:
        return found_by(ranks)


@pytest.fixture(scope="module")
def by_sockets() -> dict[str, Any]:
    with started("results", 2, HOROVOD_GLOO_SHARED_MEMORY_LAST="0") as ranks:
        return found_by(ranks)


def test_three_ranks_reduce_in_the_order_of_the_ranks_and_wait_for_no_cycle(
    by_memory: dict[str, Any],
) -> None:
    assert (by_memory["wrong"], by_memory["wrong groups"]) == ([], [])


def test_nothing_that_is_reduced_on_one_machine_passes_through_its_sockets(
    by_memory: dict[str, Any],
) -> None:
    assert by_memory["sent"] < 64 * 1024


def test_a_rank_that_shares_no_memory_keeps_all_on_sockets(by_sockets: dict[str, Any]) -> None:
    assert (by_sockets["wrong"], by_sockets["wrong groups"]) == ([], [])
    assert by_sockets["sent"] >= 64 * MIB


def test_a_rank_that_has_nothing_to_reduce_sleeps(by_sockets: dict[str, Any]) -> None:
    # Horovod as published wakes its threads over 2000 times
    assert by_sockets["wakings"] < 1000


def test_a_killed_rank_is_noticed_by_those_who_wait_for_it_in_memory() -> None:
    with started("SIGKILL", 3) as ranks:
        assert "Horovod has been shut down" in found_by(ranks)["message"]


def test_a_stopped_rank_is_noticed_when_the_time_is_up() -> None:
    with started("SIGSTOP", 2, timeout_s=5) as ranks:
        assert "Horovod has been shut down" in found_by(ranks)["message"]
        ranks[1].send_signal(signal.SIGCONT)
