"""HDFS of the tests: one name node and one data node in a Java machine, on loopback.

They are Hadoop's own, in the jar that Hadoop makes for tests (hadoop-client-minicluster).
"""

import os
import re
import subprocess
import time
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import pyspark

ROOT = Path(__file__).parents[1]
_JARS = ROOT / "build" / "hdfs"
_START_S = 300.0  # beside much other work a JVM may take minutes
_LISTENS = re.compile(r"^port (\d+)$", re.MULTILINE)
# it ends with the tests, also when they are killed by SIGKILL
_WITH_US = ("setpriv", "--pdeathsig", "KILL")


@contextmanager
def hdfs_server(folder: Path) -> Generator[str]:
    """Serve until the end of the block; gives the address, as ``hdfs://127.0.0.1:port``.

    Raises:
        FileNotFoundError: It is not installed.
        TimeoutError: It does not start; its log says why.
    """
    if not list(_JARS.glob("*.jar")):
        raise FileNotFoundError(
            f"expected the jars of HDFS in {_JARS}; there are none. infra/bin/setup --test-slow "
            "installs them"
        )
    folder.mkdir(parents=True)
    java = str(Path(os.environ["JAVA_HOME"]) / "bin" / "java")
    jars = f"{_JARS}/*:{Path(pyspark.__file__).parent / 'jars'}/*"
    program = [java, "-Xmx384m", "-cp", jars, str(Path(__file__).with_name("HdfsServer.java"))]
    log = folder / "server.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [*_WITH_US, *program, str(folder / "data")],
            stdin=subprocess.PIPE,
            stdout=output,
            stderr=output,
            cwd=folder,
        )
    try:
        yield f"hdfs://127.0.0.1:{_wait_for(process, log)}"
    finally:
        process.kill()
        process.communicate()


def _wait_for(process: subprocess.Popen[bytes], log: Path) -> int:
    deadline = time.monotonic() + _START_S
    while process.poll() is None and time.monotonic() < deadline:
        if found := _LISTENS.search(log.read_text()):
            return int(found[1])
        time.sleep(0.05)
    raise TimeoutError(f"expected HDFS to listen; see {log}:\n{log.read_text()[-2000:]}")
