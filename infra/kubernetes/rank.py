"""Play one rank of a training whose ranks run on several hosts, as pods of an indexed Job do.

The rank with index 0 holds the place where all meet, on its own address only. Nobody is asked for
a key there, and ranks talk in the clear: a network policy must keep all others out.

From the environment: JOB_COMPLETION_INDEX, RANKS, FIRST_RANK (host name of index 0), POD_ADDRESS
and, if it is not eth0, RANK_INTERFACE. The arguments are the program and its flags.
"""

import os
import socket
import subprocess
import sys
import time
from contextlib import ExitStack

from pipelines.training.rendezvous import rendezvous

PORT = 29400
# pods start when there is room for them
START_S = 900.0
_GLOO_S = 60
_POLL_S = 1.0


def main(program: list[str]) -> int:
    """Meet the others and run the program; gives its exit code."""
    index, size = (int(os.environ[name]) for name in ("JOB_COMPLETION_INDEX", "RANKS"))
    with ExitStack() as stack:
        if index == 0:
            stack.enter_context(rendezvous(os.environ["POD_ADDRESS"], PORT))
        first = _find(os.environ["FIRST_RANK"])
        environment = {**os.environ, **_rank(index, size, first)}
        return subprocess.call([sys.executable, *program], env=environment)


def _find(host: str) -> str:
    """Wait until the first rank has a name and listens; give its address."""
    deadline = time.monotonic() + START_S
    while True:
        try:
            with socket.create_connection((host, PORT), timeout=_POLL_S) as found:
                return str(found.getpeername()[0])
        except OSError as error:
            if time.monotonic() >= deadline:
                raise SystemExit(
                    f"error: expected the first rank to listen at {host}:{PORT} within "
                    f"{START_S:.0f} s ({error}). See that its pod runs, and that the network "
                    "policy lets ranks reach each other"
                ) from error
        time.sleep(_POLL_S)


def _rank(index: int, size: int, first: str) -> dict[str, str]:
    """One rank a host, by the names that horovodrun gives (horovod 0.28.1)."""
    names = {
        "HOROVOD_RANK": index,
        "HOROVOD_SIZE": size,
        "HOROVOD_LOCAL_RANK": 0,
        "HOROVOD_LOCAL_SIZE": 1,
        "HOROVOD_CROSS_RANK": index,
        "HOROVOD_CROSS_SIZE": size,
        "HOROVOD_HOSTNAME": os.environ["POD_ADDRESS"],
        "HOROVOD_CONTROLLER": "gloo",
        "HOROVOD_CPU_OPERATIONS": "gloo",
        "HOROVOD_GLOO_RENDEZVOUS_ADDR": first,
        "HOROVOD_GLOO_RENDEZVOUS_PORT": PORT,
        "HOROVOD_GLOO_IFACE": os.environ.get("RANK_INTERFACE", "eth0"),
        "HOROVOD_GLOO_TIMEOUT_SECONDS": _GLOO_S,
    }
    return {name: str(value) for name, value in names.items()}


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
