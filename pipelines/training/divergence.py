"""Stop a run whose ranks no longer hold the same weights, and name the variable."""

import zlib
from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from pipelines.errors import TrainingError

Gather: TypeAlias = Callable[[NDArray[np.int64], str], NDArray[np.int64]]


def weights_digest(variables: Sequence[Any]) -> NDArray[np.int64]:
    """Give the CRC-32 of each variable's bytes, (variables,).

    Equal bits give equal digests, NaN included; two that differ are missed once in 2^32.
    """
    return np.array([zlib.crc32(variable.numpy().tobytes()) for variable in variables], np.int64)


def check_agreement(variables: Sequence[Any], gather: Gather, when: str) -> str:
    """Compare the digests of all ranks.

    Args:
        variables: Keras variables, in the same order on each rank.
        gather: Gives (ranks, variables) from this rank's digests.
        when: For the message, such as ``epoch 3``.

    Returns:
        One digest of all variables, hex, the same on each rank.

    Raises:
        TrainingError: A variable differs; raised on every rank at the same time.
    """
    digests = gather(weights_digest(variables), "digests")
    differing = np.flatnonzero((digests != digests[0]).any(axis=0))
    if len(differing):
        first = int(differing[0])
        odd = np.flatnonzero(digests[:, first] != digests[0, first]).tolist()
        raise TrainingError(
            f"{when}: expected equal weights on all ranks; {len(differing)} of {len(variables)} "
            f"variables differ, first {variables[first].path!r} on ranks {odd} against rank 0. "
            "Gradients were not reduced alike: check that every rank runs the same code and "
            "versions, then train again from the last checkpoint"
        )
    return f"{zlib.crc32(digests[0].tobytes()):08x}"
