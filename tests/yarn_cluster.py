"""A real YARN of one node for tests: Hadoop's own ResourceManager and NodeManager.

They run in a network namespace (``tests.hosts``), so their ports clash with nobody's. Files are
those of this machine: ``file:///`` stands in for HDFS.
"""

import json
import os
import subprocess
import time
from collections.abc import Generator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import pyspark

from tests.hosts import Host

ROOT = Path(__file__).parents[1]
_JARS = ROOT / "build" / "yarn"
_PROGRAMS = {
    "manager": "org.apache.hadoop.yarn.server.resourcemanager.ResourceManager",
    "node": "org.apache.hadoop.yarn.server.nodemanager.NodeManager",
}
_WEB = 8088


@dataclass(frozen=True, slots=True)
class YarnCluster:
    """A ResourceManager with one node, and the folder of settings that names it."""

    host: Host
    hadoop_conf: Path
    folder: Path

    def asks(self, place: str) -> str:
        """Give what the ResourceManager's REST API says."""
        url = f"http://{self.host.address}:{_WEB}/ws/v1/cluster/{place}"
        # only inside its namespace is there a way to it
        ask = "import sys, urllib.request as u; print(u.urlopen(sys.argv[1]).read().decode())"
        command = self.host.command("python", "-c", ask, url)
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        return done.stdout


@contextmanager
def yarn_cluster(folder: Path, host: Host) -> Generator[YarnCluster]:
    """Start both and wait until the node has joined; they end with the block.

    Raises:
        FileNotFoundError: YARN is not installed.
        TimeoutError: The node does not join.
    """
    if not list(_JARS.glob("*.jar")):
        raise FileNotFoundError(
            f"expected YARN's jars in {_JARS}; there are none. infra/bin/setup --test-slow "
            "installs them"
        )
    cluster = YarnCluster(host, _settings(folder, host), folder)
    spark = Path(pyspark.__file__).parent / "jars"
    classes = f"{cluster.hadoop_conf}:{_JARS}/*:{spark}/*"
    java = str(Path(os.environ["JAVA_HOME"]) / "bin" / "java")
    # its web services reflect on the JDK
    options = ["--add-opens=java.base/java.lang=ALL-UNNAMED", "-Xmx400m", "-cp", classes]
    with ExitStack() as stack:
        for name, program in _PROGRAMS.items():
            log = stack.enter_context((folder / f"{name}.log").open("wb"))
            process = subprocess.Popen(
                host.command(java, *options, program), stdout=log, stderr=log
            )
            stack.callback(process.wait)
            stack.callback(process.kill)
        _wait(cluster)
        yield cluster


def _wait(cluster: YarnCluster) -> None:
    deadline = time.monotonic() + 300
    while time.monotonic() < deadline:
        if json.loads(cluster.asks("metrics") or "{}").get("activeNodes") == 1:
            return
        time.sleep(1)
    raise TimeoutError(f"YARN's node does not join; see the logs in {cluster.folder}")


def _settings(folder: Path, host: Host) -> Path:
    disks = "yarn.nodemanager.disk-health-checker"
    yarn = {
        "yarn.resourcemanager.hostname": host.address,
        "yarn.nodemanager.hostname": host.address,
        "yarn.nodemanager.address": f"{host.address}:8041",
        "yarn.nodemanager.local-dirs": folder / "local",
        "yarn.nodemanager.log-dirs": folder / "logs",
        "yarn.nodemanager.resource.memory-mb": 6144,
        "yarn.nodemanager.resource.cpu-vcores": 4,
        "yarn.nodemanager.vmem-check-enabled": "false",
        "yarn.nodemanager.pmem-check-enabled": "false",
        # a disk of a test's machine may be fuller than YARN likes
        f"{disks}.max-disk-utilization-per-disk-percentage": 100,
        "yarn.nodemanager.env-whitelist": "JAVA_HOME",
        "yarn.scheduler.minimum-allocation-mb": 128,
    }
    queue = "yarn.scheduler.capacity"
    files = {
        "yarn-site": yarn,
        "core-site": {"fs.defaultFS": "file:///"},
        "capacity-scheduler": {
            f"{queue}.root.queues": "default",
            f"{queue}.root.default.capacity": 100,
            f"{queue}.maximum-am-resource-percent": 0.5,
        },
    }
    conf = folder / "hadoop"
    conf.mkdir()
    for name, values in files.items():
        properties = "\n".join(
            f"<property><name>{key}</name><value>{value}</value></property>"
            for key, value in values.items()
        )
        (conf / f"{name}.xml").write_text(f"<configuration>\n{properties}\n</configuration>\n")
    return conf
