"""Several hosts on one machine, for tests: network namespaces that meet at a switch.

Each host is a namespace of its own with the interfaces ``lo`` and ``eth0``; the switch is a bridge
in a further one, so that nothing is added to this machine's own network and no address can clash
with it. Links can be limited, cut, and made a black hole while programs run. Files, processes and
memory are shared: only the network is apart. Needs root (CAP_NET_ADMIN and CAP_SYS_ADMIN), and
iproute2's ``ip`` and ``tc``.
"""

import os
import secrets
import signal
import subprocess
from collections.abc import Generator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

INTERFACE = "eth0"
# what stands around the payload of a TCP segment: Ethernet, IPv4, TCP with its time stamps
HEADER_BYTES = 14 + 20 + 32
_BRIDGE = "switch"
# a bucket must hold a full frame, and what comes between two looks of a slow clock
_BURST_BYTES = 64 * 2**10
_QUEUE_S = 0.05


@dataclass(frozen=True, slots=True)
class Traffic:
    """Frames that left a host: their number and bytes, with Ethernet's, IP's and TCP's headers."""

    frames: int
    num_bytes: int

    def __sub__(self, earlier: "Traffic") -> "Traffic":
        return Traffic(self.frames - earlier.frames, self.num_bytes - earlier.num_bytes)

    @property
    def payload(self) -> int:
        """Bytes without headers, where all frames are TCP."""
        return self.num_bytes - self.frames * HEADER_BYTES


@dataclass(frozen=True, slots=True)
class Host:
    """One namespace; ``port`` is its end of the link at the switch."""

    namespace: str
    address: str
    port: str

    def command(self, *words: str) -> list[str]:
        """Give the command that runs ``words`` on this host."""
        return ["ip", "netns", "exec", self.namespace, *words]

    def sent(self) -> Traffic:
        """Give what has left this host so far."""
        done = subprocess.run(
            self.command("cat", "/proc/net/dev"), capture_output=True, text=True, check=True
        )
        return parse_traffic(done.stdout)

    def pids(self) -> list[int]:
        """Give the processes that run on this host."""
        return _pids(self.namespace)


def parse_traffic(text: str) -> Traffic:
    """Read ``/proc/net/dev`` (proc_net_dev(5)): what ``eth0`` has sent."""
    line = next(line for line in text.splitlines() if line.strip().startswith(f"{INTERFACE}:"))
    values = line.partition(":")[2].split()
    return Traffic(frames=int(values[9]), num_bytes=int(values[8]))


def traffic_here() -> Traffic:
    """Give what has left the host that this process runs on."""
    return parse_traffic(Path("/proc/net/dev").read_text())


@dataclass(frozen=True, slots=True)
class Network:
    """Hosts and the switch that joins them."""

    switch: str
    hosts: list[Host] = field(default_factory=list[Host])

    def limit(self, rate_mbit: float) -> None:
        """Let no link carry more than ``rate_mbit`` million bits a second each way (tc-tbf(8))."""
        for host in self.hosts:
            self._shape(host.namespace, INTERFACE, rate_mbit)
            self._shape(self.switch, host.port, rate_mbit)

    def cut(self, host: Host) -> None:
        """Pull the plug: the host and the switch see that the link is down."""
        _ip("-n", self.switch, "link", "set", host.port, "down")

    def swallow(self, host: Host) -> None:
        """Make the link a black hole: it stays up, and every frame is lost without a word."""
        _ip("-n", self.switch, "link", "set", host.port, "nomaster")

    def mend(self, host: Host) -> None:
        """Undo ``cut`` and ``swallow``."""
        _ip("-n", self.switch, "link", "set", host.port, "master", _BRIDGE)
        _ip("-n", self.switch, "link", "set", host.port, "up")
        # a search for an address (ARP) that was begun before would still end in "no route to host"
        for each in self.hosts:
            _ip("-n", each.namespace, "neighbour", "flush", "dev", INTERFACE)

    def _shape(self, namespace: str, interface: str, rate_mbit: float) -> None:
        rate = ["rate", f"{rate_mbit}mbit", "burst", str(_BURST_BYTES), "latency", f"{_QUEUE_S}s"]
        _run("tc", "-n", namespace, "qdisc", "replace", "dev", interface, "root", "tbf", *rate)


@contextmanager
def joined_hosts(count: int, mtu: int = 1500) -> Generator[Network]:
    """Make ``count`` hosts joined by a switch; at the end, end what runs on them and remove them.

    Args:
        count: Number of hosts, at most 254.
        mtu: Bytes of an IP packet.

    Raises:
        PermissionError: This process may not make namespaces, or ``ip`` is missing.
    """
    name = f"gristmill-{secrets.token_hex(4)}"
    with ExitStack() as stack:
        _add_namespace(f"{name}-switch", stack)
        network = Network(f"{name}-switch")
        _ip("-n", network.switch, "link", "add", _BRIDGE, "type", "bridge")
        _ip("-n", network.switch, "link", "set", _BRIDGE, "up")
        for number in range(count):
            host = Host(f"{name}-{number}", f"10.213.0.{number + 1}", f"port{number}")
            _add_namespace(host.namespace, stack)
            _join(host, network.switch, mtu)
            network.hosts.append(host)
        yield network


def _add_namespace(name: str, stack: ExitStack) -> None:
    try:
        _ip("netns", "add", name)
    except (OSError, subprocess.CalledProcessError) as error:
        said = getattr(error, "stderr", "") or str(error)
        raise PermissionError(
            "expected root with CAP_NET_ADMIN and iproute2, to make network namespaces as hosts; "
            f"got {said.strip()!r}. Run this as root, in a container with --privileged"
        ) from error
    stack.callback(_remove_namespace, name)


def _remove_namespace(name: str) -> None:
    # a namespace lives as long as a process in it: ssh's servers, ranks that hang
    for pid in _pids(name):
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            continue
    _ip("netns", "delete", name)


def _pids(namespace: str) -> list[int]:
    return [int(pid) for pid in _ip("netns", "pids", namespace).split()]


def _join(host: Host, switch: str, mtu: int) -> None:
    peer = ["peer", "name", INTERFACE, "netns", host.namespace]
    _ip("-n", switch, "link", "add", host.port, "type", "veth", *peer)
    _ip("-n", switch, "link", "set", host.port, "mtu", str(mtu), "master", _BRIDGE)
    _ip("-n", switch, "link", "set", host.port, "up")
    _ip("-n", host.namespace, "address", "add", f"{host.address}/24", "dev", INTERFACE)
    # one segment a frame, as on a wire: else counters miss the headers of those sent as one
    segments = ["gso_max_segs", "1"]
    _ip("-n", host.namespace, "link", "set", INTERFACE, "mtu", str(mtu), *segments)
    for interface in ("lo", INTERFACE):
        _ip("-n", host.namespace, "link", "set", interface, "up")


def _ip(*words: str) -> str:
    return _run("ip", *words)


def _run(*words: str) -> str:
    command: Sequence[str] = words
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout
