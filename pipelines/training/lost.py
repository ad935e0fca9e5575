"""What a rank says when Horovod stops: another rank has ended, or nothing comes from it any more.

Horovod ends all that waits with the same message, whatever happened (horovod 0.28.1, common.h,
SHUT_DOWN_ERROR), and writes the reason to its own log only. How long this rank had waited tells
the two apart: a connection that closes is seen at once, silence after Gloo's timeout.
"""

import os
import time
from collections.abc import Generator
from contextlib import contextmanager

import tensorflow as tf

from pipelines.errors import RankLostError, TrainingError
from pipelines.training.heartbeat import LOST_OTHERS, Heartbeat
from pipelines.world import World

# a message of Gloo's own, which names its source file, comes from what was just being sent
_SIGNS = ("Horovod has been shut down", "/gloo/")
_TIMEOUT_S = 30.0  # horovod 0.28.1, gloo_context.cc, where HOROVOD_GLOO_TIMEOUT_SECONDS is not set
_MOST_WORDS = 300
# what this rank did by itself after its last step counts for a part of the wait
_SILENCE = 0.5


@contextmanager
def one_line_errors(world: World, beat: Heartbeat) -> Generator[None]:
    """Turn an error of TensorFlow or Horovod into one line.

    Args:
        world: This rank.
        beat: Knows when the last step was begun.

    Raises:
        RankLostError: Horovod has stopped, on account of another rank.
        TrainingError: Any other error of TensorFlow.
    """
    try:
        yield
    except tf.errors.OpError as error:
        timeout_s = float(os.environ.get("HOROVOD_GLOO_TIMEOUT_SECONDS", _TIMEOUT_S))
        waited_s = time.monotonic() - beat.moved_s
        raise explain(str(error.message), world, waited_s, timeout_s) from error


def explain(message: str, world: World, waited_s: float, timeout_s: float) -> TrainingError:
    """Give the error to raise.

    Args:
        message: What TensorFlow says.
        world: This rank.
        waited_s: Seconds since its last step was begun.
        timeout_s: Seconds of silence after which Gloo stops.
    """
    who = f"rank {world.rank} of {world.size}"
    if not any(sign in message for sign in _SIGNS):
        # the message of a graph begins with where it was made and ends with what went wrong
        said = " ".join(message.split())[-_MOST_WORDS:]
        return TrainingError(f"{who}: TensorFlow stopped: {said}")
    if waited_s > _SILENCE * timeout_s:
        return RankLostError(
            f"{who} {LOST_OTHERS}: expected an answer of every rank; for {waited_s:.0f} s one gave "
            "none, and did not close its connection. A link between hosts is down, or a rank is "
            "stopped: look at both, and run again to go on from the last checkpoint"
        )
    return RankLostError(
        f"{who} {LOST_OTHERS}: expected an answer of every rank; one has ended or closed its "
        "connection. Its own message says why; run again to go on from the last checkpoint"
    )
