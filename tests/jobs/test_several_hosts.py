"""Training over several hosts by the command of the README: stock horovodrun over ssh.

The hosts are network namespaces, see ``tests.hosts``; ssh is OpenSSH's own.
"""

import json
import os
import subprocess
import time
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import psutil
import pytest

from pipelines.cli import to_flags
from pipelines.step import StepResult
from pipelines.train import TrainParams, launch_training
from tests.hosts import INTERFACE, Host, Network, joined_hosts
from tests.pipelines.loading.tables import rows, write_table
from tests.pipelines.test_train import make_params
from tests.ssh_servers import ssh_servers

pytestmark = pytest.mark.slow
ROOT = Path(__file__).parents[2]
# seconds of silence between ranks, then an error
TIMEOUT_S = 10
# seconds that ends take after that: Horovod's, Python's, on a machine with other work
GRACE_S = 15
EPOCHS, STEPS = 30, 26
SLOW_MBIT = 2
# keeps apart what each rank says: over a link that is cut nothing comes back
_APART = 'exec "$@" 2>"$0-$HOROVOD_RANK"'


@dataclass(frozen=True, slots=True)
class _Job:
    """A horovodrun on the first host, and the ranks that it started on all of them."""

    process: subprocess.Popen[str]
    network: Network
    words: Path

    def said(self, rank: int) -> str:
        path = self.words.with_name(f"{self.words.name}-{rank}")
        return path.read_text() if path.exists() else ""

    def ranks(self) -> list[psutil.Process]:
        found: list[psutil.Process] = []
        for host in self.network.hosts:
            for pid in host.pids():
                with suppress(psutil.Error):
                    process = psutil.Process(pid)
                    found += [process] if "HOROVOD_RANK" in process.environ() else []
        return found

    def wait_for(self, words: str) -> None:
        while words not in self.said(0):
            assert self.process.poll() is None, self.process.communicate()[0][-3000:]
            time.sleep(0.02)

    def wait_for_ranks_to_end(self, seconds: float) -> None:
        deadline = time.monotonic() + seconds
        while alive := self.ranks():
            assert time.monotonic() < deadline, [alive, self.said(0), self.said(1)]
            time.sleep(0.2)

    def result(self) -> dict[str, Any]:
        printed = self.process.communicate(timeout=300)[0]
        assert self.process.returncode == 0, printed[-3000:] + self.said(0) + self.said(1)
        line = next(line for line in printed.splitlines() if "weights_digest" in line)
        return json.loads(line[line.index("{") :])


@dataclass(frozen=True, slots=True)
class _Cluster:
    """Two hosts that reach each other by ssh, and a table that both can read."""

    network: Network
    environment: dict[str, str]
    params: TrainParams

    @contextmanager
    def horovodrun(self, root: Path) -> Generator[_Job]:
        """Start the command of the README on the first host."""
        slots = ",".join(f"{host.address}:1" for host in self.network.hosts)
        words = root / "stderr"
        command = [
            *("horovodrun", "-np", "2", "-H", slots, "--network-interfaces", INTERFACE),
            *("--gloo-timeout-seconds", str(TIMEOUT_S), "--disable-cache"),
            *("sh", "-c", _APART, str(words)),
            *("python", "jobs/train.py", *to_flags(replace(self.params, root=str(root)))),
        ]
        process = subprocess.Popen(
            self.network.hosts[0].command(*command),
            cwd=ROOT,
            env={**os.environ, **self.environment},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        job = _Job(process, self.network, words)
        with process:
            try:
                yield job
            finally:
                process.kill()
                for rank in job.ranks():
                    rank.kill()


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[_Cluster]:
    folder = tmp_path_factory.mktemp("hosts")
    train = [rows(500, seed=1), rows(500, seed=2), rows(231, seed=3)]
    write_table(folder / "features", {"train": train, "validation": [rows(300, seed=4)]})
    params = make_params(folder, epochs=EPOCHS, hidden=(64, 32))
    with joined_hosts(2) as network, ssh_servers(network, tmp_path_factory.mktemp("ssh")) as found:
        yield _Cluster(network, dict(found), params)


@pytest.fixture(scope="module")
def local(cluster: _Cluster, tmp_path_factory: pytest.TempPathFactory) -> StepResult:
    root = str(tmp_path_factory.mktemp("local"))
    return launch_training(replace(cluster.params, root=root), 2)


def _payloads(network: Network) -> list[int]:
    return [host.sent().payload for host in network.hosts]


def test_two_hosts_train_the_model_of_two_local_ranks(
    cluster: _Cluster, local: StepResult, tmp_path: Path
) -> None:
    before = _payloads(cluster.network)
    with cluster.horovodrun(tmp_path) as job:
        details = job.result()["details"]
    assert (details["ranks"], details["epochs"]) == (2, EPOCHS)
    assert details["weights_digest"] == local.details["weights_digest"]
    least = _gradient_bytes(details)
    for sent, already in zip(_payloads(cluster.network), before, strict=True):
        assert sent - already > least


def _gradient_bytes(details: dict[str, Any]) -> int:
    """What each of two ranks must send: 2 (N - 1) / N of the float32 gradient, at each step."""
    return 4 * details["num_weights"] * STEPS * EPOCHS


@pytest.mark.parametrize("fault", [Network.cut, Network.swallow])
def test_a_link_that_is_lost_ends_all_ranks_with_one_line_and_a_new_run_goes_on(
    cluster: _Cluster, local: StepResult, tmp_path: Path, fault: Callable[[Network, Host], None]
) -> None:
    host = cluster.network.hosts[1]
    with cluster.horovodrun(tmp_path) as job:
        job.wait_for("epoch 3/")
        fault(cluster.network, host)
        try:
            job.wait_for_ranks_to_end(TIMEOUT_S + GRACE_S)
            assert job.process.wait(GRACE_S) != 0
        finally:
            cluster.network.mend(host)
        for rank in range(2):
            said = [line for line in job.said(rank).splitlines() if line.startswith("error")]
            assert len(said) == 1, job.said(rank)
            assert said[0].startswith(f"error: rank {rank} of 2 had to stop: ")
            assert "A link between hosts is down" in said[0]
            assert "run again to go on from the last checkpoint" in said[0]
            assert "Traceback" not in job.said(rank)
    with cluster.horovodrun(tmp_path) as job:
        details = job.result()["details"]
        assert "train: resume after epoch" in job.said(0)
    assert details["weights_digest"] == local.details["weights_digest"]


# the last one: its links stay slow
def test_slow_links_change_the_time_and_nothing_else(
    cluster: _Cluster, local: StepResult, tmp_path: Path
) -> None:
    cluster.network.limit(SLOW_MBIT)
    with cluster.horovodrun(tmp_path) as job:
        details = job.result()["details"]
    assert details["weights_digest"] == local.details["weights_digest"]
    assert details["train_seconds"] > 8 * _gradient_bytes(details) / (1e6 * SLOW_MBIT)
