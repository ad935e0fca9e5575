"""Start N ranks on this machine, on the loopback interface only, and end them together.

Stock horovodrun listens on all interfaces without a key, even for local ranks (CVE-2024-10190 and
its kin), and imports TensorFlow once more. This module does neither; ranks meet through
``rendezvous``.
"""

import ctypes
import math
import os
import re
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipelines.errors import RankLostError, StoppedError, TrainingError
from pipelines.training.heartbeat import HANG_S, LOST_OTHERS, VARIABLE
from pipelines.training.rendezvous import LOOPBACK, rendezvous
from pipelines.training.watch import Watch

POLL_S = 0.05
_SETTLE_S = 1.0
_GRACE_S = 3.0
_AFTER_WATCH_S = 30
_LAST_LINES = 12
_ERROR_LINE = re.compile(r"^error: (.*)$", re.MULTILINE)
# TensorFlow says these before it reads its log level
_GREETING = re.compile(
    rb"^(WARNING: All log messages before absl|[IW]0000 00:00:|To enable the foll)"
)
_PR_SET_PDEATHSIG = 1  # prctl(2)
_libc = ctypes.CDLL(None, use_errno=True)


@dataclass(frozen=True, slots=True)
class Rank:
    """A process that was started as a rank, and the files it writes."""

    number: int
    process: subprocess.Popen[bytes]
    stderr: Path
    beat: Path
    forwarder: threading.Thread | None = None


def launch(
    command: Sequence[str], num_processes: int, *, hang_s: float = HANG_S,
    is_over: Callable[[], bool] | None = None, is_quiet: bool = False,
) -> str:  # fmt: skip
    """Run ``command`` as ``num_processes`` Horovod ranks and give what rank 0 wrote to stdout.

    Rank 0's stderr goes to ours as it comes. When one rank ends with an error, the others are
    ended within seconds. When this process dies, the ranks die with it.

    Args:
        command: Program and flags, the same for each rank.
        num_processes: Number of ranks, at least 1.
        hang_s: Seconds without a step of any rank, or without a sign of life of one, after which
            the run is ended; see ``watch``.
        is_over: Asked some times a second; the ranks are ended when it says so.
        is_quiet: Whether rank 0's stderr is kept from ours.

    Raises:
        RankLostError: A rank was killed, hangs, or lost the others; names it.
        StoppedError: ``is_over`` has said so.
        TrainingError: A rank failed; with its number, how it ended and its last words.
    """
    with tempfile.TemporaryDirectory(prefix="gristmill-ranks-") as folder, rendezvous() as port:
        ranks: list[Rank] = []
        # the watch names the rank that hangs, the others' timeout can't: it must come first
        timeout_s = math.ceil(hang_s) + _AFTER_WATCH_S
        try:
            for number in range(num_processes):
                environment = rank_environment(number, num_processes, port, timeout_s=timeout_s)
                is_heard = _always if number == 0 and not is_quiet else None
                ranks.append(start_rank(command, number, environment, Path(folder), is_heard))
            failed = _wait(ranks, hang_s, is_over)
        finally:
            end_ranks(ranks)
        if failed is not None:
            raise failure(failed, num_processes)
        return output_of(Path(folder), 0).read_text()


def rank_environment(rank: int, size: int, port: int, *, timeout_s: int) -> dict[str, str]:
    """Give the environment that makes a process rank ``rank`` of ``size`` on this machine."""
    # oversubscribed threads are the first cause of slow training on CPUs
    threads = str(max(1, len(os.sched_getaffinity(0)) // size))
    names = {
        "HOROVOD_RANK": rank,
        "HOROVOD_SIZE": size,
        "HOROVOD_LOCAL_RANK": rank,
        "HOROVOD_LOCAL_SIZE": size,
        "HOROVOD_CROSS_RANK": 0,
        "HOROVOD_CROSS_SIZE": 1,
        "HOROVOD_HOSTNAME": "localhost",
        "HOROVOD_CONTROLLER": "gloo",
        "HOROVOD_CPU_OPERATIONS": "gloo",
        "HOROVOD_GLOO_RENDEZVOUS_ADDR": LOOPBACK,
        "HOROVOD_GLOO_RENDEZVOUS_PORT": port,
        "HOROVOD_GLOO_IFACE": "lo",
        "HOROVOD_GLOO_TIMEOUT_SECONDS": timeout_s,
        "OMP_NUM_THREADS": threads,
        "TF_NUM_INTRAOP_THREADS": threads,
        "TF_NUM_INTEROP_THREADS": 2,
        "TF_CPP_MIN_LOG_LEVEL": 3,
        "PYTHONUNBUFFERED": 1,
    }
    return {name: str(value) for name, value in names.items()}


def is_rank() -> bool:
    """Say whether this process was started as a rank, by this launcher or by horovodrun."""
    return "HOROVOD_RANK" in os.environ


def _always() -> bool:
    return True


def start_rank(
    command: Sequence[str],
    number: int,
    environment: Mapping[str, str],
    folder: Path,
    is_heard: Callable[[], bool] | None,
) -> Rank:
    """Start one process; it dies with the thread that called this.

    Args:
        command: Program and flags.
        number: Names its files.
        environment: What it gets beside this process's own.
        folder: Gets its stdout, stderr and signs of life.
        is_heard: Says whether a line of its stderr goes to ours too; None: none does.
    """
    stderr, beat = folder / f"stderr-{number}", folder / f"beat-{number}"
    with output_of(folder, number).open("wb") as out, stderr.open("wb") as err:
        process = subprocess.Popen(
            list(command),
            env={**os.environ, **environment, VARIABLE: str(beat)},
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=subprocess.PIPE if is_heard else err,
            preexec_fn=_die_with_parent,  # noqa: PLW1509  one prctl(2) call, no locks
        )
    if not is_heard:
        return Rank(number, process, stderr, beat)
    forwarder = threading.Thread(
        target=_forward, args=(process.stderr, stderr, is_heard), daemon=True
    )
    forwarder.start()
    return Rank(number, process, stderr, beat, forwarder)


def output_of(folder: Path, number: int) -> Path:
    """Give the file that gets the stdout of a process."""
    return folder / f"stdout-{number}"


def _die_with_parent() -> None:
    # also when the launcher is killed by SIGKILL: ranks left behind would write on
    _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def _forward(source: Any, copy: Path, is_heard: Callable[[], bool]) -> None:
    with source, copy.open("wb") as kept:
        for line in source:
            kept.write(line)
            kept.flush()
            if _GREETING.match(line) or not is_heard():
                continue
            sys.stderr.write(line.decode(errors="replace"))
            sys.stderr.flush()


def _wait(ranks: Sequence[Rank], hang_s: float, is_over: Callable[[], bool] | None) -> Rank | None:
    """Wait for all; give the rank that failed first, or None.

    Raises:
        RankLostError: A rank hangs.
        StoppedError: ``is_over`` has said so.
    """
    watch = Watch([rank.beat for rank in ranks], hang_s)
    while True:
        codes = [rank.process.poll() for rank in ranks]
        failed = [rank for rank, code in zip(ranks, codes, strict=True) if code]
        if failed:
            # one that was killed ended first, though another may be seen first: let all have ended
            time.sleep(_SETTLE_S)
            failed = [rank for rank in ranks if rank.process.poll()]
            return min(failed, key=lambda rank: rank.process.returncode)
        if all(code == 0 for code in codes):
            return None
        if is_over and is_over():
            raise StoppedError("the training was ended by whoever started it")
        if hang := watch.look():
            raise RankLostError(
                f"{hang.words}. All ranks were ended. Run again to go on from the last checkpoint"
            )
        time.sleep(POLL_S)


def end_ranks(ranks: Sequence[Rank]) -> None:
    """End the processes that still run; within seconds."""
    for rank in ranks:
        if rank.process.poll() is None:
            rank.process.terminate()
    deadline = time.monotonic() + _GRACE_S
    for rank in ranks:
        try:
            rank.process.wait(max(0.0, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            rank.process.kill()
            rank.process.wait()
        if rank.forwarder:
            rank.forwarder.join(_GRACE_S)


def failure(rank: Rank, size: int) -> TrainingError:
    """Say how a process ended that should not have, with its last words."""
    code = rank.process.returncode
    if code > 0 and (errors := _ERROR_LINE.findall(rank.stderr.read_text(errors="replace"))):
        lost = LOST_OTHERS in errors[-1]
        return (RankLostError if lost else TrainingError)(
            f"rank {rank.number} of {size}: {errors[-1]}"
        )
    words = (
        f"rank {rank.number} of {size} {how_it_ended(rank)}; the other ranks were stopped. Run "
        f"again to go on from the last checkpoint. Its last words:\n{last_words(rank)}"
    )
    return RankLostError(words) if code < 0 else TrainingError(words)


def how_it_ended(rank: Rank) -> str:
    """Name the signal or the code that a process ended with."""
    code = rank.process.returncode
    return f"was ended by {signal.Signals(-code).name}" if code < 0 else f"ended with code {code}"


def last_words(rank: Rank) -> str:
    """Give the last lines of a process's stderr."""
    return "\n".join(rank.stderr.read_text(errors="replace").splitlines()[-_LAST_LINES:])
