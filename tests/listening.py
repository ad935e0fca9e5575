"""A server of the tests in a Java machine: its port, once its log says that it listens."""

import re
import subprocess
import time
from pathlib import Path

_START_S = 300.0  # beside much other work a JVM may take minutes
# it ends with the tests, also when they are killed by SIGKILL
WITH_US = ("setpriv", "--pdeathsig", "KILL")


def wait_for_port(
    process: subprocess.Popen[bytes], log: Path, listens: re.Pattern[str], name: str
) -> int:
    """Give the port that ``listens`` finds in the log.

    Raises:
        TimeoutError: The server has ended, or says no port; with the end of its log.
    """
    deadline = time.monotonic() + _START_S
    while process.poll() is None and time.monotonic() < deadline:
        if found := listens.search(log.read_text()):
            return int(found[1])
        time.sleep(0.05)
    raise TimeoutError(f"expected {name} to listen; see {log}:\n{log.read_text()[-2000:]}")
