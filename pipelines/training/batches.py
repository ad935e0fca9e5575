"""What training asks of a data split; the loading room fulfils it without being imported here."""

from collections.abc import Iterator
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

    def batches(self, epoch: int, first_step: int = 0) -> Iterator[Any]:
        """Give one epoch, from ``first_step`` on."""
        ...
