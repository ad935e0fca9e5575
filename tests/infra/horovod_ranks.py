"""What a rank does in the tests of the wheel; the root prints what it found as one JSON line."""

import itertools
import json
import os
import signal
import socket
import struct
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import horovod.tensorflow
import numpy as np
import tensorflow as tf

hvd: Any = horovod.tensorflow
# around one chunk of 256 KiB and around several, as float32; and what has fewer elements than ranks
LENGTHS = (1, 2, 3, 65535, 65536, 65537, 262145, 700001)
DTYPES = ("float32", "float64", "float16", "int32", "int64", "uint8")
OPS: dict[str, tuple[Any, Callable[[Any, Any], Any]]] = {
    "sum": (hvd.Sum, np.add),
    "minimum": (hvd.Min, np.minimum),
    "maximum": (hvd.Max, np.maximum),
    "product": (hvd.Product, np.multiply),
}
MIB = 2**20
# bytes sent since a connection began, in the kernel's struct tcp_info (linux/tcp.h)
_BYTES_SENT_AT = 200


def values_of(rank: int, length: int, dtype: str) -> Any:
    random = np.random.default_rng([rank, length])
    return (random.random(length) * 5 + 0.5).astype(dtype)


def wrong_results() -> list[str]:
    """Reductions that differ by a bit from those of NumPy in the order of the ranks."""
    wrong: list[str] = []
    for length, dtype, op in itertools.product(LENGTHS, DTYPES, OPS):
        what = f"{op} of {length} {dtype}"
        horovods, numpys = OPS[op]
        terms = [values_of(rank, length, dtype) for rank in range(hvd.size())]
        expected = terms[0]
        for term in terms[1:]:
            expected = numpys(expected, term)
        if (length + hvd.rank()) % 5 == 0:
            time.sleep(0.02)  # the others have to wait
        got = hvd.allreduce(tf.constant(terms[hvd.rank()]), name=what, op=horovods).numpy()
        if not np.array_equal(got, expected):
            wrong.append(what)
    return wrong


def wrong_groups() -> list[str]:
    """Fused reductions that do, first negotiated and then answered from Horovod's cache."""
    wrong: list[str] = []
    for turn in range(3):
        terms = [
            [values_of(rank + turn, length, "float32") for length in LENGTHS]
            for rank in range(hvd.size())
        ]
        mine = [tf.constant(term) for term in terms[hvd.rank()]]
        got = hvd.grouped_allreduce(mine, name="group", op=hvd.Sum)
        expected = [sum(parts[1:], parts[0]) for parts in zip(*terms, strict=True)]
        if any(not np.array_equal(a.numpy(), b) for a, b in zip(got, expected, strict=True)):
            wrong.append(f"turn {turn}")
    return wrong


def bytes_sent() -> int:
    """Bytes that the TCP connections of this process have sent so far."""
    total = 0
    for entry in Path("/proc/self/fd").iterdir():
        try:
            copy = os.dup(int(entry.name))
        except OSError:  # it has been closed meanwhile
            continue
        if not str(Path(f"/proc/self/fd/{copy}").readlink()).startswith("socket:"):
            os.close(copy)
            continue
        with socket.socket(fileno=copy) as connection:
            if connection.type == socket.SOCK_STREAM and connection.family != socket.AF_UNIX:
                said = connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 256)
                total += struct.unpack_from("Q", said, _BYTES_SENT_AT)[0]
    return total


def sent_for_64_mib() -> int:
    tensor = tf.ones(16 * MIB)
    before = bytes_sent()
    hvd.allreduce(tensor, name="large", op=hvd.Sum)
    return bytes_sent() - before


def wakings_in_an_idle_second() -> int:
    hvd.allreduce(tf.ones(1), name="idle", op=hvd.Sum)
    before = _switches()
    time.sleep(1)
    return _switches() - before


def _switches() -> int:
    """Times that a thread of this process has gone to sleep of its own accord, see proc(5)."""
    total = 0
    for status in Path("/proc/self/task").glob("*/status"):
        lines = status.read_text().splitlines()
        total += next(int(line.split()[1]) for line in lines if line.startswith("voluntary"))
    return total


def message_when_another_stops(how: int) -> str:
    """What Horovod says when rank 1 gets a signal while the others wait for it."""
    hvd.allreduce(tf.ones(1), name="together", op=hvd.Sum)
    if hvd.rank() == 1:
        os.kill(os.getpid(), how)
    try:
        hvd.allreduce(tf.ones(1), name="alone", op=hvd.Sum)
    except tf.errors.OpError as error:
        return str(error.message)
    return "no error"


def main() -> None:
    hvd.init()
    found: dict[str, Any]
    if sys.argv[1] == "results":
        found = {"wrong": wrong_results(), "wrong groups": wrong_groups()}
        found |= {"sent": sent_for_64_mib(), "wakings": wakings_in_an_idle_second()}
    else:
        found = {"message": message_when_another_stops(signal.Signals[sys.argv[1]])}
    if hvd.rank() == 0:
        print(json.dumps(found), flush=True)
    hvd.shutdown()


if __name__ == "__main__":
    main()
