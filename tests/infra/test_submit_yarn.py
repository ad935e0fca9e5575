"""A job on a real YARN of one node, by ``infra/bin/submit``."""

import json
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.end_to_end.checkout import make_checkout
from tests.hosts import joined_hosts
from tests.infra.test_submit import ROOT, SMALL
from tests.yarn_cluster import yarn_cluster

pytestmark = pytest.mark.slow
SMALLER = [
    *("--conf", "spark.yarn.am.memory=512m", "--conf", "spark.yarn.am.memoryOverhead=256m"),
    *("--conf", "spark.executor.memoryOverhead=256m"),
]


def test_jobs_run_in_containers_of_yarn_with_what_was_sent_along(tmp_path: Path) -> None:
    checkout = make_checkout(tmp_path / "checkout")
    shutil.copytree(ROOT / "infra", checkout.folder / "infra")
    (checkout.folder / "build").symlink_to(ROOT / "build")
    (tmp_path / "events").mkdir(mode=0o700)
    subprocess.run([ROOT / "infra" / "bin" / "package", "--to", tmp_path], check=True)
    places = [f"{name}={checkout.folder / 'raw' / name}.csv" for name in ("parcels", "depots")]
    with joined_hosts(1) as network, yarn_cluster(tmp_path, network.hosts[0]) as cluster:

        def submit(job: str, *flags: str) -> dict[str, object]:
            words = [
                *(str(checkout.folder / "infra" / "bin" / "submit"), job, *flags),
                *("--dataset", "parcels", "--root", str(tmp_path / "lake"), "--master", "yarn"),
                *("--hadoop-conf", str(cluster.hadoop_conf), *SMALL, *SMALLER),
                *("--environment", str(tmp_path / "environment-spark.tar.gz")),
                *("--conf", f"spark.eventLog.dir=file:{tmp_path / 'events'}"),
                # where Spark puts what it sends
                *("--conf", f"spark.yarn.stagingDir=file:{tmp_path / 'staging'}"),
            ]
            done = subprocess.run(
                network.hosts[0].command(*words), capture_output=True, text=True, check=False
            )
            assert done.returncode == 0, done.stderr
            (line,) = done.stdout.splitlines()
            return json.loads(line)

        ingested = submit("ingest", "--sources", *places)
        tables = ingested["tables"]
        assert isinstance(tables, list)
        submit("validate", "--inputs", *map(str, tables))
    rows = ingested["rows"]
    assert isinstance(rows, dict)
    assert rows["parcels"]["kept"] == 3050
    # both were applications of YARN, each with a container for its master and others for tasks
    applications = list((tmp_path / "logs").glob("application_*"))
    assert len(applications) == 2
    for application in applications:
        assert len(list(application.glob("container_*"))) >= 2
    # the node unpacked the environment for its containers
    assert list((tmp_path / "local").glob("usercache/*/filecache/*/environment-*/bin/python"))
