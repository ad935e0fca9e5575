"""A real Spark cluster for tests: a standalone master and workers, on loopback or on hosts."""

import os
import re
import secrets
import signal
import subprocess
import time
from collections.abc import Generator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil

from tests.hosts import Host

_DEPLOY = "org.apache.spark.deploy"
_STARTED = re.compile(r"Starting Spark master at (spark://\S+)")
_JOINED = "Successfully registered with master"
_QUIET = """rootLogger.level = warn
rootLogger.appenderRef.stderr.ref = stderr
appender.stderr.type = Console
appender.stderr.name = stderr
appender.stderr.target = SYSTEM_ERR
appender.stderr.layout.type = PatternLayout
appender.stderr.layout.pattern = %m%n
logger.deploy.name = org.apache.spark.deploy
logger.deploy.level = info
"""


@dataclass(frozen=True, slots=True)
class SparkCluster:
    """A master with its workers, and the secret that they ask for."""

    master: str
    secret_file: Path
    workers: tuple[psutil.Process, ...]

    def kill(self, number: int) -> None:
        """Let a host die: its worker and the executors on it get SIGKILL."""
        for process in [self.workers[number], *self.workers[number].children(recursive=True)]:
            _kill(process)


@contextmanager
def spark_cluster(
    folder: Path, hosts: Sequence[Host | None], cores: int = 1
) -> Generator[SparkCluster]:
    """Start a master on the first host and a worker on each; ``None`` is loopback.

    All listen on their host's one address, and take only what is signed with the secret.
    """
    secret = secrets.token_hex(16)
    conf = _settings(folder, secret)
    (folder / "secret").touch(mode=0o600)
    (folder / "secret").write_text(secret)
    with ExitStack() as stack:
        start = _Starter(folder, conf, stack)
        place = ["--port", "0", "--webui-port", "0"]
        start.process("master", hosts[0], f"{_DEPLOY}.master.Master", *place)
        master = start.wait_for("master", _STARTED)
        size = ["--cores", str(cores), "--memory", "2g", "--webui-port", "0"]
        found: list[psutil.Process] = []
        for number, host in enumerate(hosts):
            work = ["--work-dir", str(folder / f"worker-{number}")]
            words = (f"{_DEPLOY}.worker.Worker", *size, *work, master)
            found.append(start.process(f"worker-{number}", host, *words))
        for number in range(len(hosts)):
            start.wait_for(f"worker-{number}", re.compile(f"({_JOINED})"))
        yield SparkCluster(master, folder / "secret", tuple(found))


def _settings(folder: Path, secret: str) -> Path:
    conf = folder / "conf"
    conf.mkdir(mode=0o700)
    lines = [
        "spark.authenticate true",
        "spark.network.crypto.enabled true",
        f"spark.authenticate.secret {secret}",
    ]
    (conf / "spark-defaults.conf").write_text("\n".join(lines) + "\n")
    (conf / "log4j2.properties").write_text(_QUIET)
    return conf


@dataclass(frozen=True, slots=True)
class _Starter:
    folder: Path
    conf: Path
    stack: ExitStack

    def process(self, name: str, host: Host | None, *words: str) -> psutil.Process:
        address = host.address if host else "127.0.0.1"
        command = ["spark-class", words[0], "--host", address, *words[1:]]
        environment = {
            **os.environ,
            "SPARK_CONF_DIR": str(self.conf),
            "SPARK_LOCAL_IP": address,
            "SPARK_DAEMON_MEMORY": "512m",
            # executors take the Python that is sent, not this one
            "PYSPARK_PYTHON": "/nowhere/python",
        }
        log = self.stack.enter_context((self.folder / f"{name}.log").open("wb"))
        process = subprocess.Popen(
            host.command(*command) if host else command, env=environment, stdout=log, stderr=log
        )
        self.stack.callback(_end, process)
        return psutil.Process(process.pid)

    def wait_for(self, name: str, words: re.Pattern[str]) -> str:
        log = self.folder / f"{name}.log"
        deadline = time.monotonic() + 120
        while not (found := words.search(log.read_text())):
            assert time.monotonic() < deadline, f"{name}: {log.read_text()}"
            time.sleep(0.1)
        return found[1]


def _end(process: "subprocess.Popen[bytes]") -> None:
    """End it with all that it started, and wait until they are gone."""
    try:
        family = psutil.Process(process.pid).children(recursive=True)
    except psutil.NoSuchProcess:
        family = []
    process.send_signal(signal.SIGKILL)
    process.wait()
    for child in family:
        _kill(child)
    psutil.wait_procs(family, timeout=10)


def _kill(process: psutil.Process) -> None:
    try:
        process.kill()
    except psutil.NoSuchProcess:
        return
