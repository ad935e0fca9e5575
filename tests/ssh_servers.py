"""An OpenSSH server on each host of a test, and a client that knows their key and no other.

All of it is real but for where it looks: keys, settings and known hosts are made for one run, in
one folder, and nothing of the machine's own is read or written.
"""

import getpass
import os
import shlex
import shutil
import subprocess
import time
from collections.abc import Generator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path

from tests.hosts import Host, Network

_PORT = 22
_START_S = 20.0
_SERVER = """
HostKey {folder}/host_key
AuthorizedKeysFile {folder}/user_key.pub
PidFile none
StrictModes no
UsePAM no
PasswordAuthentication no
KbdInteractiveAuthentication no
PermitRootLogin prohibit-password
"""
_CLIENT = """
IdentityFile {folder}/user_key
IdentitiesOnly yes
UserKnownHostsFile {folder}/known_hosts
GlobalKnownHostsFile none
LogLevel ERROR
"""


@contextmanager
def ssh_servers(network: Network, folder: Path) -> Generator[Mapping[str, str]]:
    """Serve ssh on each host, for this user; ``folder`` keeps keys, settings and logs.

    Yields:
        The environment in which ``ssh`` reaches the hosts by their addresses.

    Raises:
        FileNotFoundError: OpenSSH's server or client is missing.
    """
    server = _find("sshd")
    for name in ("host_key", "user_key"):
        key = ["-t", "ed25519", "-N", "", "-f", str(folder / name)]
        subprocess.run([_find("ssh-keygen"), "-q", *key], check=True)
    (folder / "sshd_config").write_text(_SERVER.format(folder=folder))
    # it refuses to start without a folder that it leaves empty
    Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)
    with ExitStack() as stack:
        for host in network.hosts:
            log = stack.enter_context((folder / f"sshd-{host.address}.log").open("wb"))
            command = host.command(server, "-D", "-e", "-f", str(folder / "sshd_config"))
            process = stack.enter_context(subprocess.Popen(command, stdout=log, stderr=log))
            stack.callback(process.kill)
        for host in network.hosts:
            _wait_for(host)
        yield _client(folder)


def _find(program: str) -> str:
    # Debian keeps servers where a user's PATH does not look
    path = shutil.which(program, path=f"{os.environ['PATH']}:/usr/sbin")
    if path is None:
        raise FileNotFoundError(
            f"expected OpenSSH's {program}, to reach the hosts of the test; it is not there. "
            "infra/bin/setup --test-slow installs it"
        )
    return path


def _client(folder: Path) -> dict[str, str]:
    """Put an ``ssh`` first on PATH that is the real one with this folder's settings."""
    (folder / "ssh_config").write_text(_CLIENT.format(folder=folder))
    ssh = folder / "bin" / "ssh"
    ssh.parent.mkdir()
    settings = ["-F", str(folder / "ssh_config"), "-l", getpass.getuser()]
    ssh.write_text(f'#!/bin/sh\nexec {shlex.join([_find("ssh"), *settings])} "$@"\n')
    ssh.chmod(0o755)
    return {"PATH": f"{ssh.parent}:{os.environ['PATH']}"}


def _wait_for(host: Host) -> None:
    """Wait until the server answers on its own host."""
    ask = f"exec 3<>/dev/tcp/{host.address}/{_PORT} && head -c 4 <&3"
    deadline = time.monotonic() + _START_S
    while True:
        done = subprocess.run(host.command("bash", "-c", ask), capture_output=True, check=False)
        if done.stdout == b"SSH-":
            return
        if time.monotonic() > deadline:
            raise TimeoutError(f"sshd on {host.address} does not answer; see its log")
        time.sleep(0.1)
