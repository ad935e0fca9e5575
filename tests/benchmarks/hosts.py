"""Measure the all-reduce over simulated hosts whose links are limited.

Usage: python -m tests.benchmarks.hosts [--hosts 2,4,8] [--mbit 100] [--mtu 1500]

Hosts are network namespaces (``tests.hosts``; needs root), one rank on each. In a ring all-reduce
of B bytes over N ranks each rank must send 2 (N - 1) / N B bytes (Patarasuk and Yuan, 2009). What
really leaves a host is read from the counters of its interface: payload is what is left of frames
without Ethernet's, IP's and TCP's headers, and holds what Horovod's ranks say to agree on a
reduction too. The token bucket that limits a link counts frames with their headers.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Generator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from pipelines.state import write_json
from pipelines.training.launcher import is_rank, rank_environment
from pipelines.training.rendezvous import rendezvous
from tests.benchmarks.machine import describe_machine
from tests.hosts import INTERFACE, Host, Network, joined_hosts, traffic_here

_MIB = 2**20
# all ranks import TensorFlow at the same time, on the cores of one machine
_START_S = 300
# what a rank has handed to the kernel leaves the host after the bucket lets it
_DRAIN_S = 0.1


def main() -> None:
    """Measure each number of hosts, print a Markdown table and write ``hosts.json``."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--hosts", default="2,4,8", help="numbers of hosts, comma-separated")
    parser.add_argument("--mbit", type=float, default=100, help="million bits/s of each link")
    parser.add_argument("--mtu", type=int, default=1500, help="bytes of an IP packet")
    parser.add_argument("--mib", type=int, default=16, help="MiB to reduce")
    parser.add_argument("--rounds", type=int, default=3, help="times each is measured")
    parser.add_argument("--output", default="build/benchmarks", help="folder of hosts.json")
    said = parser.parse_args()
    results: list[dict[str, Any]] = []
    for size in (int(text) for text in said.hosts.split(",")):
        print(f"{size} hosts", file=sys.stderr, flush=True)
        with joined_hosts(size, said.mtu) as network:
            network.limit(said.mbit)
            rounds = _launch(network, said.mib, said.rounds)
        results.append(summarize(rounds, said.mib * _MIB, said.mbit))
    links = {"mbit": said.mbit, "mtu": said.mtu}
    value = {"machine": describe_machine(), "links": links, "results": results}
    write_json(Path(said.output).absolute() / "hosts.json", value)
    print(_table(results, f"{said.mib} MiB, {said.mbit:g} Mbit/s, MTU {said.mtu}"))


def summarize(rounds: list[list[list[int]]], num_bytes: int, mbit: float) -> dict[str, Any]:
    """Give one line of the table: the median over rounds of the rank that was last or sent most.

    Args:
        rounds: For each rank and round: nanoseconds, bytes of frames, bytes of payload.
        num_bytes: Bytes that were reduced.
        mbit: Million bits a second that a link carries each way.
    """
    worst = np.asarray(rounds).max(axis=0).tolist()
    nanoseconds, frames, payload = (
        statistics.median(values) for values in zip(*worst, strict=True)
    )
    bound = 2 * (len(rounds) - 1) / len(rounds) * num_bytes
    bits_per_s = 8e9 / nanoseconds
    return {
        "hosts": len(rounds),
        "num_bytes": num_bytes,
        "seconds": nanoseconds / 1e9,
        "ring_bound_bytes": bound,
        "payload_of_bound": payload / bound,
        "wire_of_bound": frames / bound,
        "wire_of_line_rate": frames * bits_per_s / (1e6 * mbit),
        "bound_of_line_rate": bound * bits_per_s / (1e6 * mbit),
        "rounds": rounds,
    }


def _table(results: list[dict[str, Any]], what: str) -> str:
    bytes_sent = "payload sent / ring bound | with headers / ring bound"
    lines = [f"| {what} | time | {bytes_sent} | of the line rate |", "|---|--:|--:|--:|--:|"]
    lines += [
        f"| {result['hosts']} hosts | {result['seconds']:.2f} s | {result['payload_of_bound']:.4f} "
        f"| {result['wire_of_bound']:.4f} | {result['wire_of_line_rate']:.3f} |"
        for result in results
    ]
    return "\n".join(lines)


def _launch(network: Network, mib: int, rounds: int) -> list[list[list[int]]]:
    """Run a rank on each host; give for each rank and round what ``_measure`` says."""
    command = [sys.executable, "-m", "tests.benchmarks.hosts", "--mib", str(mib)]
    command += ["--rounds", str(rounds)]
    with ExitStack() as stack:
        port = stack.enter_context(_served(network.hosts[0]))
        ranks: list[subprocess.Popen[str]] = []
        for number, host in enumerate(network.hosts):
            environment = {**os.environ, **_environment(number, network, port)}
            process = subprocess.Popen(
                host.command(*command), env=environment, stdout=subprocess.PIPE, text=True
            )
            stack.callback(process.kill)
            ranks.append(process)
        printed = [rank.communicate()[0] for rank in ranks]
        if any(rank.returncode for rank in ranks):
            raise SystemExit("a rank failed; see above")
    return json.loads(printed[0].splitlines()[-1])


def _environment(number: int, network: Network, port: int) -> dict[str, str]:
    first, here = network.hosts[0], network.hosts[number]
    places = {
        "HOROVOD_LOCAL_RANK": "0",
        "HOROVOD_LOCAL_SIZE": "1",
        "HOROVOD_CROSS_RANK": str(number),
        "HOROVOD_CROSS_SIZE": str(len(network.hosts)),
        "HOROVOD_HOSTNAME": here.address,
        "HOROVOD_GLOO_IFACE": INTERFACE,
        "HOROVOD_GLOO_RENDEZVOUS_ADDR": first.address,
    }
    return rank_environment(number, len(network.hosts), port, timeout_s=_START_S) | places


@contextmanager
def _served(host: Host) -> Generator[int]:
    """Serve the rendezvous on ``host``; give its port."""
    code = ["-m", "tests.benchmarks.hosts", "--serve", host.address]
    with subprocess.Popen(
        host.command(sys.executable, *code), stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as server:
        try:
            assert server.stdout
            yield int(server.stdout.readline())
        finally:
            server.kill()


def _serve(address: str) -> None:
    with rendezvous(address) as port:
        print(port, flush=True)
        sys.stdin.read()


def _measure(num_bytes: int, rounds: int) -> None:
    """Play one rank; the root prints nanoseconds, bytes and payload by rank and round."""
    import horovod.tensorflow  # noqa: PLC0415  the launcher must start at once
    import tensorflow as tf  # noqa: PLC0415

    from pipelines.training import distributed  # noqa: PLC0415

    hvd: Any = horovod.tensorflow
    world = distributed.start()
    tensor = tf.ones(num_bytes // 4, tf.float32)
    said: list[int] = []
    for _ in range(rounds + 1):
        distributed.gather_rows(np.zeros(1, np.int64), "meet")
        before, started = traffic_here(), time.perf_counter_ns()
        hvd.allreduce(tensor, name="one", op=hvd.Sum).numpy()
        took = time.perf_counter_ns() - started
        time.sleep(_DRAIN_S)
        sent = traffic_here() - before
        said += [took, sent.num_bytes, sent.payload]
    # the first is for warming up
    gathered = distributed.gather_rows(np.array(said[3:]), "said")
    if world.is_root:
        print(json.dumps(gathered.reshape(world.size, rounds, 3).tolist()))
    distributed.stop()


if __name__ == "__main__":
    if sys.argv[1:2] == ["--serve"]:
        _serve(sys.argv[2])
    elif is_rank():
        _measure(int(sys.argv[2]) * _MIB, int(sys.argv[4]))
    else:
        main()
