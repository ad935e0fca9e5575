"""A private PostgreSQL for the tests: own cluster, own folder, a socket and no network."""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest


def _as_user() -> list[str]:
    # PostgreSQL refuses to run as root; its package brings the user
    return ["runuser", "-u", "postgres", "--"] if os.geteuid() == 0 else []


def _tool(name: str) -> str:
    found = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"))
    return str(found[-1]) if found else str(shutil.which(name))


def _run(*command: str) -> None:
    # the server inherits the pipes, so its own words go to a file
    done = subprocess.run(
        [*_as_user(), *command], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False
    )
    assert done.returncode == 0, command


@pytest.fixture(scope="session")
def postgres() -> Iterator[str]:
    """Start a cluster; gives the address of an empty database."""
    # a socket's path has room for 107 characters: not in pytest's own deep folders
    folder = Path(tempfile.mkdtemp(prefix="gristmill-pg-"))
    if os.geteuid() == 0:
        shutil.chown(folder, "postgres", "postgres")
    data = folder / "data"
    options = f"-c listen_addresses= -c unix_socket_directories={folder} -c fsync=off"
    try:
        _run(_tool("initdb"), "-D", str(data), "-A", "trust", "-U", "gristmill", "--no-sync")
        log = str(folder / "log")
        _run(_tool("pg_ctl"), "-D", str(data), "-o", options, "-l", log, "-w", "start")
        _run(_tool("createdb"), "-h", str(folder), "-U", "gristmill", "models")
        yield f"postgresql://gristmill@/models?host={folder}"
    finally:
        if data.exists():
            stop = [*_as_user(), _tool("pg_ctl"), "-D", str(data), "-m", "immediate", "stop"]
            subprocess.run(stop, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False)
        shutil.rmtree(folder, ignore_errors=True)
