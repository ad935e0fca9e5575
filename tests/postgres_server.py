"""A private PostgreSQL of the tests: own cluster, own folder, a socket and no network."""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

USER = "gristmill"


@contextmanager
def postgres_server(*databases: str, password: str = "") -> Generator[Path]:
    """Run a cluster with empty ``databases`` until the end of the block; gives its socket's folder.

    Its one user is ``gristmill``, who is asked for the ``password`` if one is given.
    """
    # a socket's path has room for 107 characters: not in pytest's own deep folders
    folder = Path(tempfile.mkdtemp(prefix="gristmill-pg-"))
    data, secret = folder / "data", folder / "password"
    secret.write_text(password)
    if os.geteuid() == 0:
        for path in (folder, secret):
            shutil.chown(path, "postgres", "postgres")
    options = f"-c listen_addresses= -c unix_socket_directories={folder} -c fsync=off"
    access = ["-A", "scram-sha-256", f"--pwfile={secret}"] if password else ["-A", "trust"]
    try:
        _run("initdb", "-D", str(data), *access, "-U", USER, "--no-sync")
        _run("pg_ctl", "-D", str(data), "-o", options, "-l", str(folder / "log"), "-w", "start")
        for name in databases:
            _run("createdb", "-h", str(folder), "-U", USER, name, password=password)
        yield folder
    finally:
        if data.exists():
            _run("pg_ctl", "-D", str(data), "-m", "immediate", "stop", is_needed=False)
        shutil.rmtree(folder, ignore_errors=True)


def _run(tool: str, *arguments: str, password: str = "", is_needed: bool = True) -> None:
    # PostgreSQL refuses to run as root; its package brings the user
    user = ["runuser", "-u", "postgres", "--"] if os.geteuid() == 0 else []
    found = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{tool}"))
    program = str(found[-1]) if found else str(shutil.which(tool))
    # the server inherits the pipes, so its own words go to a file
    done = subprocess.run(
        [*user, program, *arguments],
        env={**os.environ, **({"PGPASSWORD": password} if password else {})},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        check=False,
    )
    assert done.returncode == 0 or not is_needed, (tool, *arguments)
