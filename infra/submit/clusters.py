"""The clusters that a job can be submitted to, and what each must be told."""

import argparse
import ipaddress
import re
import socket
import xml.etree.ElementTree as ET
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

CLUSTERS = ("local", "standalone", "yarn", "kubernetes")
CONNECT_S = 5.0
_SCHEMES = {"local": "local", "spark": "standalone", "yarn": "yarn", "k8s": "kubernetes"}
_EXAMPLES = {
    "standalone": "spark://HOST:7077",
    "kubernetes": "k8s://https://HOST:6443",
}
_RESOURCE_MANAGER_PORT = 8032


class SubmitError(Exception):
    """Nothing was submitted; the message says what was expected, what came and what to do."""


@dataclass(frozen=True, slots=True)
class Cluster:
    """One cluster, and what spark-submit must be told for it.

    ``addresses`` are host and port of its masters: one that answers is enough.
    """

    name: str
    master: str
    settings: dict[str, str] = field(default_factory=dict[str, str])
    environment: dict[str, str] = field(default_factory=dict[str, str])
    addresses: tuple[tuple[str, int], ...] = ()

    @property
    def takes_archives(self) -> bool:
        """Whether code and environment are sent: an image holds them, this machine has them."""
        return self.name in ("standalone", "yarn")

    def require_reachable(self) -> None:
        """Raise unless a master answers.

        Raises:
            SubmitError: None does within some seconds.
        """
        said = [_try(*address) for address in self.addresses]
        if said and all(said):
            raise SubmitError(
                f"{self.master}: the master does not answer ({'; '.join(filter(None, said))}). "
                "Start it, or correct --master; nothing was submitted"
            )


def choose(options: argparse.Namespace) -> Cluster:
    """Give the cluster that the flags name.

    Raises:
        SubmitError: They name none, or contradict each other, or lack what it needs.
    """
    scheme = re.match(r"[a-z0-9]*", options.master or "")
    said = _SCHEMES.get(scheme[0]) if scheme and options.master else None
    if options.master and said is None:
        raise SubmitError(
            f"--master {options.master}: expected local[N], spark://HOST:PORT, yarn or "
            "k8s://https://HOST:PORT"
        )
    name = options.cluster or said
    if name is None:
        raise SubmitError(
            f"expected --master, or --cluster with one of {', '.join(CLUSTERS)}; neither came. "
            "--cluster local runs the job on this machine"
        )
    if said not in (None, name):
        raise SubmitError(f"--cluster {name} and --master {options.master} contradict each other")
    if options.master is None and name in _EXAMPLES:
        raise SubmitError(f"--cluster {name} needs --master {_EXAMPLES[name]}; none came")
    return _MAKERS[name](options)


def _local(options: argparse.Namespace) -> Cluster:
    return Cluster("local", options.master or "local[2,4]")


def _standalone(options: argparse.Namespace) -> Cluster:
    """``spark://HOST:PORT,HOST:PORT``: of several masters one leads."""
    parts = options.master.removeprefix("spark://").split(",")
    addresses = tuple(_address(part, 7077) for part in parts)
    if not options.secret_file and not options.open_network and not all(map(_is_here, addresses)):
        raise SubmitError(
            f"{options.master} is another machine's, and Spark's own master asks nobody who they "
            "are: give --secret-file with the secret of master and workers "
            "(spark.authenticate.secret), or --open-network if none but you reach it"
        )
    host = options.driver_host or _address_towards(*addresses[0])
    settings = {"spark.driver.host": host, "spark.driver.bindAddress": host}
    return Cluster("standalone", options.master, settings, {"SPARK_LOCAL_IP": host}, addresses)


def _yarn(options: argparse.Namespace) -> Cluster:
    folder: Path | None = options.hadoop_conf
    if folder is None or not (folder / "yarn-site.xml").is_file():
        raise SubmitError(
            "yarn needs --hadoop-conf, the folder of yarn-site.xml and core-site.xml; "
            f"{'none came' if folder is None else f'{folder} has none'}"
        )
    address = _resource_manager(folder / "yarn-site.xml")
    host = options.driver_host or _address_towards(*address)
    settings = {"spark.driver.host": host, "spark.driver.bindAddress": host}
    conf = {"HADOOP_CONF_DIR": str(folder), "YARN_CONF_DIR": str(folder), "SPARK_LOCAL_IP": host}
    return Cluster("yarn", "yarn", settings, conf, (address,))


def _kubernetes(options: argparse.Namespace) -> Cluster:
    if not options.image:
        raise SubmitError("kubernetes needs --image, the image spark of infra/docker/Dockerfile")
    url = urlsplit(options.master.removeprefix("k8s://"))
    if not url.hostname:
        raise SubmitError(f"--master {options.master}: expected {_EXAMPLES['kubernetes']}")
    port = url.port or (80 if url.scheme == "http" else 443)
    settings = {"spark.kubernetes.container.image": options.image}
    return Cluster("kubernetes", options.master, settings, {}, ((url.hostname, port),))


_MAKERS = {"local": _local, "standalone": _standalone, "yarn": _yarn, "kubernetes": _kubernetes}


def _address(text: str, port: int) -> tuple[str, int]:
    url = urlsplit(f"//{text}")
    try:
        return url.hostname or "", url.port or port
    except ValueError as error:
        raise SubmitError(f"--master: expected HOST:PORT; got {text!r}") from error


def _is_here(address: tuple[str, int]) -> bool:
    try:
        return ipaddress.ip_address(address[0]).is_loopback
    except ValueError:
        return address[0] == "localhost"


def _address_towards(host: str, port: int) -> str:
    """Which of our addresses the way to a host begins at; nothing is sent (udp(7))."""
    try:
        family, kind, _, _, there = socket.getaddrinfo(host, port, type=socket.SOCK_DGRAM)[0]
        with socket.socket(family, kind) as probe:
            probe.connect(there)
            return str(probe.getsockname()[0])
    except OSError as error:
        raise SubmitError(f"{host}: no way leads to the master ({error.strerror})") from error


def _try(host: str, port: int) -> str:
    try:
        socket.create_connection((host, port), timeout=CONNECT_S).close()
    except OSError as error:
        return f"{host}:{port}: {error.strerror or error}"
    return ""


def _resource_manager(path: Path) -> tuple[str, int]:
    # a file of the user's own; entities of it do no harm beyond this process
    found = {
        item.findtext("name"): item.findtext("value") or ""
        for item in ET.parse(path).getroot().iter("property")  # noqa: S314
    }
    address = found.get("yarn.resourcemanager.address")
    host = found.get("yarn.resourcemanager.hostname")
    if not address and not host:
        raise SubmitError(
            f"{path}: expected yarn.resourcemanager.address or yarn.resourcemanager.hostname"
        )
    return _address(address or str(host), _RESOURCE_MANAGER_PORT)
