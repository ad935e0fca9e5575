"""HDFS of the tests: one name node and one data node in a Java machine, on loopback.

They are Hadoop's own, in the jar that Hadoop makes for tests (hadoop-client-minicluster).
"""

import os
import re
import subprocess
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import pyspark

from tests.listening import WITH_US, wait_for_port

ROOT = Path(__file__).parents[1]
_JARS = ROOT / "build" / "hdfs"
_LISTENS = re.compile(r"^port (\d+)$", re.MULTILINE)


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
            [*WITH_US, *program, str(folder / "data")],
            stdin=subprocess.PIPE,
            stdout=output,
            stderr=output,
            cwd=folder,
        )
    try:
        yield f"hdfs://127.0.0.1:{wait_for_port(process, log, _LISTENS, 'HDFS')}"
    finally:
        process.kill()
        process.communicate()
