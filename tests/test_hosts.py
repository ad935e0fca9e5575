"""The hosts of the tests of several hosts do what these tests rely on."""

import subprocess
import sys
from collections.abc import Callable, Iterator

import pytest

from tests.hosts import Host, Network, Traffic, joined_hosts, parse_traffic

pytestmark = pytest.mark.slow
SIZE = 5_000_000
_RECEIVE = """
import socket, time
with socket.create_server(("", 5000)) as server:
    print("ready", flush=True)
    connection, _ = server.accept()
    begun = time.monotonic()
    while connection.recv(2**20): pass
    print(time.monotonic() - begun)
"""
_SEND = f"""
import socket, sys
with socket.create_connection((sys.argv[1], 5000), timeout=2) as connection:
    connection.sendall(bytes({SIZE}))
"""


@pytest.fixture
def network() -> Iterator[Network]:
    with joined_hosts(2) as network:
        yield network


def _python(host: Host, code: str, *words: str) -> list[str]:
    return host.command(sys.executable, "-c", code, *words)


def _send(network: Network) -> float:
    """Send SIZE bytes from the first host to the second; give the seconds it took."""
    first, second = network.hosts
    with subprocess.Popen(_python(second, _RECEIVE), stdout=subprocess.PIPE, text=True) as receiver:
        try:
            assert receiver.stdout
            assert receiver.stdout.readline() == "ready\n"
            subprocess.run(_python(first, _SEND, second.address), check=True, capture_output=True)
            return float(receiver.stdout.readline())
        finally:
            receiver.kill()


def test_what_leaves_a_host_is_counted(network: Network) -> None:
    network.limit(50)  # faster, frames are dropped and sent again
    before = network.hosts[0].sent()
    _send(network)
    sent = network.hosts[0].sent() - before
    assert SIZE < sent.payload < 1.01 * SIZE
    assert sent.frames >= SIZE / 1448  # of MTU 1500


def test_a_limited_link_carries_no_more(network: Network) -> None:
    network.limit(20)
    assert _send(network) > 0.9 * 8 * SIZE / 20e6


@pytest.mark.parametrize("fault", [Network.cut, Network.swallow])
def test_a_lost_link_is_lost_until_it_is_mended(
    network: Network, fault: Callable[[Network, Host], None]
) -> None:
    fault(network, network.hosts[1])
    with pytest.raises(subprocess.CalledProcessError) as failed:
        _send(network)
    assert b"timed out" in failed.value.stderr
    network.mend(network.hosts[1])
    _send(network)


@pytest.mark.parametrize(("fault", "state"), [(Network.cut, "0\n"), (Network.swallow, "1\n")])
def test_only_a_cut_is_seen_by_the_host(
    network: Network, fault: Callable[[Network, Host], None], state: str
) -> None:
    fault(network, network.hosts[1])
    command = network.hosts[1].command("cat", "/sys/class/net/eth0/carrier")
    assert subprocess.run(command, capture_output=True, text=True, check=True).stdout == state


def test_all_is_removed_after_a_failure_with_what_ran_there() -> None:
    started: list[subprocess.Popen[bytes]] = []
    networks: list[Network] = []

    def fail() -> None:
        with joined_hosts(2) as network:
            networks.append(network)
            started.append(subprocess.Popen(network.hosts[0].command("sleep", "60")))
            while not network.hosts[0].pids():
                assert started[0].poll() is None
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert started[0].wait(5) == -9
    listed = subprocess.run(["ip", "netns", "list"], capture_output=True, text=True, check=True)
    assert networks[0].switch.removesuffix("switch") not in listed.stdout


def test_payload_is_what_is_left_without_headers() -> None:
    said = "Inter-|  Receive\n    lo: 9 9 0 0 0 0 0 0 9 9 0 0 0 0 0 0\n  eth0: 7 7 0 0 0 0 0 0 "
    assert parse_traffic(said + "1632 2 0 0 0 0 0 0\n") == Traffic(frames=2, num_bytes=1632)
    assert Traffic(frames=2, num_bytes=1632).payload == 1500
