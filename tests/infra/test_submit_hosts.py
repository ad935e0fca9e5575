"""A job on a cluster of two hosts, one of which dies in the middle of it; and its events later.

The hosts are network namespaces, see ``tests.hosts``; the lake is a folder that both see.
"""

import json
import os
import subprocess
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.end_to_end.checkout import contents
from tests.hosts import Network, joined_hosts
from tests.infra.test_submit import ROOT, SMALL, submit
from tests.spark_cluster import SparkCluster, spark_cluster

pytestmark = pytest.mark.slow
# of a job's stages, which end before the host does
STAGES = 3
SOURCES = ("flights", "weather", "planes", "airports")


class _Events:
    """What Spark has written of one run so far, in plain JSON lines."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(mode=0o700)

    def of(self, *kinds: str) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = []
        for path in sorted(self.folder.glob("eventlog_v2_*/events_*")):
            for line in path.read_text().splitlines(keepends=True):
                # the last line may be half written
                event = json.loads(line) if line.endswith("\n") else {"Event": ""}
                found += [event] if event["Event"].removeprefix("SparkListener") in kinds else []
        return found


def wait_for(is_so: Callable[[], bool], process: "subprocess.Popen[str]") -> None:
    while not is_so():
        assert process.poll() is None, process.communicate()
        time.sleep(0.05)


@pytest.fixture(scope="module")
def network() -> Iterator[Network]:
    with joined_hosts(2) as found:
        yield found


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Unpacked once where both hosts see it."""
    folder = tmp_path_factory.mktemp("environment")
    subprocess.run([ROOT / "infra" / "bin" / "package", "--to", folder], check=True)
    archive = folder / "environment-spark.tar.gz"
    subprocess.run(["tar", "-xzf", archive, "-C", folder], check=True)
    archive.unlink()
    return folder


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A lake of the same files, made on this machine alone."""
    folder = tmp_path_factory.mktemp("undisturbed")
    (folder / "events").mkdir(mode=0o700)
    events = f"spark.eventLog.dir=file:{folder / 'events'}"
    root = str(folder / "lake")
    done = submit("ingest", "--dataset", "flights", "--root", root, "--cluster", "local",
                  "--conf", events)  # fmt: skip
    assert done.returncode == 0, done.stderr
    return folder


def start(
    network: Network, cluster: SparkCluster, environment: Path, folder: Path
) -> "subprocess.Popen[str]":
    """Submit on the first host, beside the master."""
    events = f"spark.eventLog.dir=file:{folder / 'events'}"
    words = [
        *(str(ROOT / "infra" / "bin" / "submit"), "ingest", "--dataset", "flights"),
        *("--root", str(folder / "lake"), "--master", cluster.master),
        *("--secret-file", str(cluster.secret_file), "--environment", str(environment)),
        *("--conf", events, "--conf", "spark.eventLog.compress=false", *SMALL),
    ]
    return subprocess.Popen(
        network.hosts[0].command(*words),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_a_job_outlives_one_of_its_hosts_and_leaves_the_same_tables(
    network: Network, environment: Path, undisturbed: Path, tmp_path: Path
) -> None:
    events = _Events(tmp_path / "events")
    with spark_cluster(tmp_path, network.hosts) as cluster:
        process = start(network, cluster, environment, tmp_path)

        def has_worked() -> bool:
            added = events.of("ExecutorAdded")
            lost = {it["Executor ID"] for it in added if it["Executor Info"]["Host"] == doomed}
            ran = {it["Task Info"]["Executor ID"] for it in events.of("TaskEnd")}
            return bool(lost & ran) and len(events.of("StageCompleted")) >= STAGES

        doomed = network.hosts[1].address
        wait_for(has_worked, process)
        done_before = len(events.of("StageCompleted"))
        cluster.kill(1)
        printed, said = process.communicate(timeout=900)
    assert process.returncode == 0, said
    assert len(json.loads(printed)["tables"]) == len(SOURCES)
    # it was in the middle: the host was missed, and more was done without it
    assert len(events.of("ExecutorRemoved")) == 1
    assert len(events.of("StageCompleted")) > done_before
    for source in SOURCES:
        here = contents(tmp_path / "lake", "flights", "raw", source)
        assert here == contents(undisturbed / "lake", "flights", "raw", source)


def test_the_history_server_opens_the_events_of_a_run_on_loopback_only(undisturbed: Path) -> None:
    command = [ROOT / "infra" / "bin" / "history", "--events", undisturbed / "events"]
    with subprocess.Popen(
        [*command, "--port", "0"], stdout=subprocess.PIPE, text=True, env=os.environ
    ) as server:
        try:
            assert server.stdout is not None
            # says where once it listens
            address = server.stdout.readline().strip()
            assert address.startswith("http://127.0.0.1:")
            runs = wait_for_runs(f"{address}/api/v1/applications")
            family = psutil.Process(server.pid).children(recursive=True)
            sockets = [it for process in family for it in process.net_connections()]
        finally:
            server.terminate()
    listening = {it.laddr.ip for it in sockets if it.status == psutil.CONN_LISTEN}
    assert listening <= {"127.0.0.1", "::ffff:127.0.0.1"}
    assert listening
    assert [run["name"] for run in runs] == ["gristmill-ingest"]
    assert runs[0]["attempts"][0]["completed"]


def wait_for_runs(url: str) -> list[dict[str, Any]]:
    """The server reads the folder after it listens."""
    deadline = time.monotonic() + 120
    while True:
        with urllib.request.urlopen(url, timeout=60) as answer:
            if runs := json.load(answer):
                return runs
        assert time.monotonic() < deadline, "no run in the history server"
        time.sleep(0.5)
