"""Several tables in one stream of batches, each with a fixed share of every batch.

The first table is seen exactly once an epoch. Of the others an epoch takes what falls to their
share: several whole passes of a small table, a part of a large one, drawn anew each epoch. So the
steps of an epoch, their rows and the global batches are planned, alike on any number of ranks.
"""

import hashlib
from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipelines.errors import ParameterError
from pipelines.loading.ahead import ahead
from pipelines.loading.aligned import aligned_empty
from pipelines.loading.dataset import PREFETCH, Split
from pipelines.loading.lanes import Batch
from pipelines.loading.shard_plan import LANES, ShardPlan


@dataclass(frozen=True, slots=True)
class MixturePlan:
    """The plans of the tables, side by side; an epoch is one of the first."""

    plans: tuple[ShardPlan, ...]

    @property
    def num_steps(self) -> int:
        """Steps of one epoch."""
        return self.plans[0].num_steps

    @property
    def num_rows(self) -> int:
        """Rows of one epoch, those that come again counted again."""
        return sum(self.rows_in_step(step) for step in range(self.num_steps))

    def rows_in_step(self, step: int) -> int:
        """Rows of one global batch."""
        return sum(plan.rows_in_step(step % plan.num_steps) for plan in self.plans)

    def fingerprint(self) -> str:
        """SHA-256 over the plans of the tables, in their order."""
        said = " ".join(plan.fingerprint() for plan in self.plans)
        return hashlib.sha256(said.encode()).hexdigest()[:16]

    def passes(self, table: int) -> int:
        """Passes over a table that an epoch begins."""
        return -(-self.num_steps // self.plans[table].num_steps)


@dataclass(frozen=True, slots=True)
class Mixture:
    """Splits of several tables as batches for one rank; used like a ``Split``."""

    splits: tuple[Split, ...]

    @property
    def plan(self) -> MixturePlan:
        """What an epoch holds."""
        return MixturePlan(tuple(split.plan for split in self.splits))

    def batches(self, epoch: int, first_step: int = 0) -> Generator[Any]:
        """Give the batches of one epoch as tensors, the rows of the first table first.

        Raises:
            TableError: A table can't be read, or an epoch gave other rows than planned.
        """
        to_tensors = self.splits[0].to_tensors
        return ahead(to_tensors(self._arrays(epoch, first_step)), PREFETCH)

    def close(self) -> None:
        """Stop reading."""
        for split in self.splits:
            split.close()

    def _arrays(self, epoch: int, first_step: int) -> Iterator[Batch]:
        plan = self.plan
        streams = [self._stream(table, epoch, first_step) for table in range(len(self.splits))]
        for _ in range(first_step, plan.num_steps):
            parts = [next(stream) for stream in streams]
            names = parts[0][0]
            arrays = {name: _joined([array[name] for array, _ in parts]) for name in names}
            yield arrays, _joined([weight for _, weight in parts])
        for stream in streams:
            next(stream, None)  # lets each table count its rows

    def _stream(self, table: int, epoch: int, first_step: int) -> Iterator[Batch]:
        """Give the batches of one table, pass after pass, from a step of the epoch on."""
        split, steps = self.splits[table], self.splits[table].plan.num_steps
        passes = self.plan.passes(table)
        first_pass, first = divmod(first_step, steps)
        for number in range(first_pass, passes):
            end = min(steps, self.plan.num_steps - number * steps)
            # each pass has an order of its own
            yield from split.arrays(epoch * passes + number, first, end)
            first = 0


def _joined(parts: Sequence[NDArray[Any]]) -> NDArray[Any]:
    slots = sum(len(part) for part in parts)
    return np.concatenate(parts, out=aligned_empty((slots, *parts[0].shape[1:]), parts[0].dtype))


def share_batch(global_batch_size: int, shares: Sequence[float]) -> list[int]:
    """Give the rows of a global batch that fall to each table: multiples of ``LANES``.

    Args:
        global_batch_size: Rows of a step, over all ranks and tables; a multiple of ``LANES``.
        shares: Share of each further table, in (0, 1); the first table gets what is left.

    Raises:
        ParameterError: The shares leave some table without rows.
    """
    if not shares:
        return [global_batch_size]
    sizes = [round(global_batch_size * share / LANES) * LANES for share in shares]
    sizes.insert(0, global_batch_size - sum(sizes))
    if min(sizes) < LANES or any(not 0 < share < 1 for share in shares):
        raise ParameterError(
            f"expected shares of a batch that leave at least {LANES} of {global_batch_size} rows "
            f"to each table; got shares {list(shares)}, which are {sizes} rows with the first "
            "table's. Change them, or take a larger --global-batch-size"
        )
    return sizes


def mix(splits: Sequence[Split]) -> Split | Mixture:
    """Mix splits of tables with the same columns; each has its part of the batch in its plan.

    One split alone is given back as it is.

    Raises:
        ParameterError: The tables differ in their columns.
    """
    columns = splits[0].columns
    if any(split.columns != columns for split in splits):
        raise ParameterError("expected tables with the same columns to mix; got different ones")
    return splits[0] if len(splits) == 1 else Mixture(tuple(splits))


def plans_of(loaded: Split | Mixture) -> tuple[ShardPlan, ...]:
    """Give the plan of each table that is read."""
    return loaded.plan.plans if isinstance(loaded, Mixture) else (loaded.plan,)
