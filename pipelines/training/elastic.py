"""A rank that outlives the loss of others: it trains in one world after another.

Horovod on Gloo can be shut down and started again in one process; its elastic mode does no more
than ask for the new rank in between (horovod 0.28.1, gloo_context.cc). The state of a run is its
last checkpoint: each world starts from there, on its own number of ranks.
"""

import os
import sys
from collections.abc import Callable
from typing import TypeAlias, TypeVar

import keras
import numpy as np

from pipelines.errors import RankLostError
from pipelines.training import distributed
from pipelines.training.heartbeat import Heartbeat
from pipelines.training.lost import one_line_errors
from pipelines.training.roster import Seat
from pipelines.world import World

_T = TypeVar("_T")
# called by all ranks after a checkpoint
Pause: TypeAlias = Callable[[], None]


class _RecallError(Exception):
    """The ranks leave this world for a new one."""


def train_in_worlds(train: Callable[[World, Pause], _T]) -> tuple[_T, World]:
    """Call ``train`` as a rank of one world, then of the next, until one has finished.

    Without an elastic launcher there is one world, and its errors are errors.

    Args:
        train: Trains from the last checkpoint to the end. It must call its second argument on all
            ranks after each checkpoint, and let what that raises through.

    Returns:
        What ``train`` gave, and the world it did so in, which is still there.
    """
    seat = Seat.find()
    if seat is None:
        world = distributed.start()
        return train(world, _stay), world
    while True:
        world = _join(seat)
        try:
            result = train(world, lambda world=world: _leave_if_recalled(seat, world))
            # until the root has written all, the others stand by to take its place
            with one_line_errors(world, Heartbeat()):
                distributed.sum_values(np.zeros(1), "end")
        except (RankLostError, _RecallError) as error:
            _say(world, error)
        else:
            return result, world
        distributed.stop()
        # graphs and variables of a world are of no use in another
        keras.utils.clear_session()


def _stay() -> None:
    pass


def _say(world: World, error: Exception) -> None:
    sys.stderr.write(f"train: rank {world.rank} of {world.size} leaves: {error}\n")
    sys.stderr.flush()


def _join(seat: Seat) -> World:
    roster, rank = seat.wait()
    size = len(roster.members)
    names = {
        "HOROVOD_RANK": rank,
        "HOROVOD_SIZE": size,
        "HOROVOD_LOCAL_RANK": rank,
        "HOROVOD_LOCAL_SIZE": size,
        "HOROVOD_GLOO_RENDEZVOUS_PORT": roster.port,
    }
    os.environ.update({name: str(value) for name, value in names.items()})
    return distributed.start()


def _leave_if_recalled(seat: Seat, world: World) -> None:
    asked = np.array([float(world.is_root and seat.is_recalled())])
    if distributed.sum_values(asked, "recall")[0]:
        raise _RecallError("another rank has come, or is to come back")
