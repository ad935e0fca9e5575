"""What training asks of a data split; the loading room fulfils it without being imported here."""

import time
from collections.abc import Generator, Iterator
from typing import Any, Protocol


class Plan(Protocol):
    """How many steps an epoch has and how many rows each of them."""

    @property
    def num_rows(self) -> int:
        """Rows of an epoch over all ranks."""
        ...

    @property
    def num_steps(self) -> int:
        """Steps of an epoch."""
        ...

    def rows_in_step(self, step: int) -> int:
        """Rows of one global batch."""
        ...


class Batches(Protocol):
    """One split as this rank reads it; ``batches`` gives (inputs, label, weight) tensors."""

    @property
    def plan(self) -> Plan:
        """The plan that the batches follow."""
        ...

    def batches(self, epoch: int, first_step: int = 0) -> Generator[Any]:
        """Give one epoch, from ``first_step`` on; its first batches may be begun at once."""
        ...


class Awaited:
    """Adds up how long this rank waits for batches."""

    seconds = 0.0

    def over(self, batches: Iterator[Any]) -> Iterator[Any]:
        """Give the batches."""
        while True:
            asked = time.monotonic()
            batch = next(batches, None)
            self.seconds += time.monotonic() - asked
            if batch is None:
                return
            yield batch


class Epochs:
    """The epochs of a split, the next one begun before it is asked for."""

    def __init__(self, split: Batches) -> None:
        self._split = split
        self._begun: tuple[int, Generator[Any]] | None = None

    def begin(self, epoch: int) -> None:
        """Have the first batches of an epoch made; the one before it must have been read."""
        self._begun = epoch, self._split.batches(epoch)

    def take(self, epoch: int, first_step: int) -> Generator[Any]:
        """Give the batches of an epoch, from ``first_step`` on."""
        if self._begun and self._begun[0] == epoch and not first_step:
            (_, batches), self._begun = self._begun, None
            return batches
        self.close()
        return self._split.batches(epoch, first_step)

    def close(self) -> None:
        """End the reading of an epoch that early stopping or an error has left untrained."""
        if self._begun:
            self._begun[1].close()
            self._begun = None
