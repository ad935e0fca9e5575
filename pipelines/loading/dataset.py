"""A shard plan as a tf.data.Dataset of whole batches with static shapes.

Memory is bounded by (lanes of this rank + 4) row groups and two batches, whatever the table's size.
"""

from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from pipelines.errors import GristmillError, TableError
from pipelines.loading.manifest import InputColumns, Manifest
from pipelines.loading.reader import RowGroupReader, Rows
from pipelines.loading.shard_plan import ShardPlan
from pipelines.world import World

_PREFETCH = 2
_Batch: TypeAlias = tuple[dict[str, NDArray[Any]], NDArray[np.float32], NDArray[np.float32]]


@dataclass(slots=True)
class _Chunk:
    """What is left of one stretch: the row group's matrices and the order of its rows."""

    rows: Rows
    order: NDArray[np.int64]


@dataclass(slots=True)
class Split:
    """One split as batches for one rank, epoch after epoch.

    A batch is ``({"numeric": (B, n) float32, "categorical": (B, m) int32}, label (B, 1) float32,
    weight (B,) float32)``; the weight is 1 for a row and 0 for an empty slot.
    """

    plan: ShardPlan
    world: World
    columns: InputColumns
    _reader: RowGroupReader
    _errors: list[GristmillError] = field(default_factory=list)

    def batches(self, epoch: int) -> Iterator[Any]:
        """Give the batches of one epoch as tensors, ``plan.num_steps`` of them.

        Raises:
            TableError: The table can't be read, or an epoch gave other rows than planned.
        """
        try:
            yield from self.dataset(epoch)
        except tf.errors.OpError:
            # tf.data wraps what the generator raised into text
            if self._errors:
                raise self._errors.pop() from None
            raise

    def dataset(self, epoch: int) -> "tf.data.Dataset[Any]":
        """Give one epoch as a dataset; iterate it to its end before asking for the next."""
        size = self.plan.batch_size(self.world)
        inputs = {
            "numeric": tf.TensorSpec((size, len(self.columns.numeric)), tf.float32),
            "categorical": tf.TensorSpec((size, len(self.columns.categorical)), tf.int32),
        }
        label = tf.TensorSpec((size, 1), tf.float32)
        weight = tf.TensorSpec((size,), tf.float32)
        made = tf.data.Dataset.from_generator(
            lambda: self._generate(epoch), output_signature=(inputs, label, weight)
        )
        options = tf.data.Options()
        options.threading.private_threadpool_size = 1
        # the tuner's thread sleeps 10 ms, 20, 40 ... and the end of an iterator waits for it:
        # an epoch of 5.2 s took 10.3 s. There is nothing to tune here
        options.autotune.enabled = False
        return made.prefetch(_PREFETCH).with_options(options)

    def close(self) -> None:
        """Stop reading."""
        self._reader.close()

    def _generate(self, epoch: int) -> Iterator[_Batch]:
        try:
            yield from self._arrays(epoch)
        except GristmillError as error:
            self._errors.append(error)
            raise

    def _arrays(self, epoch: int) -> Iterator[_Batch]:
        reads = self.plan.reads(self.world, epoch)
        decoded = self._reader.read([read.row_group for read in reads])
        lanes = [deque[_Chunk]() for _ in range(self.plan.lanes // self.world.size)]
        given = position = 0
        for step in range(self.plan.num_steps):
            while position < len(reads) and reads[position].step <= step:
                read, rows = reads[position], next(decoded)
                order = self.plan.row_order(read.row_group, epoch)
                for stretch in read.stretches:
                    lanes[stretch.lane].append(_Chunk(rows, order[stretch.begin : stretch.end]))
                position += 1
            filled, batch = _take(lanes, self.plan.slice_size, self.columns)
            given += filled
            yield batch
        next(decoded, None)  # lets the reader count its row groups
        planned = self.plan.rows_of_rank(self.world)
        if given != planned:
            raise TableError(
                f"epoch {epoch}: expected {planned} rows for rank {self.world.rank} of "
                f"{self.world.size}; got {given}. The reader has a fault; please report it"
            )


def load_split(
    manifest: Manifest, split: str, world: World, *, global_batch_size: int, seed: int | None
) -> Split:
    """Plan and open one split of a table version for one rank.

    Args:
        manifest: The table version.
        split: ``train``, ``validation`` or ``test``.
        world: This rank.
        global_batch_size: Rows per step over all ranks.
        seed: Order of the rows; None keeps the table's order, for validation and test.

    Raises:
        ParameterError: The batch size or number of ranks does not fit the plan.
        TableError: The split is empty.
        TrainingError: There are fewer rows than ranks.
    """
    groups = manifest.row_groups(split)
    plan = ShardPlan(
        tuple(group.rows for group in groups),
        global_batch_size,
        seed=seed or 0,
        is_shuffled=seed is not None,
    )
    plan.check_world(world)
    return Split(plan, world, manifest.columns, RowGroupReader(groups, manifest.columns))


def _take(lanes: Sequence[deque[_Chunk]], size: int, columns: InputColumns) -> tuple[int, _Batch]:
    slots = size * len(lanes)
    numeric = np.zeros((slots, len(columns.numeric)), np.float32)
    integers = np.zeros((slots, len(columns.categorical) + 1), np.int32)
    weight = np.zeros(slots, np.float32)
    filled = 0
    for number, lane in enumerate(lanes):
        slot, end = number * size, (number + 1) * size
        while lane and slot < end:
            chunk = lane[0]
            chosen, chunk.order = chunk.order[: end - slot], chunk.order[end - slot :]
            upto = slot + len(chosen)
            # clip: the indexes are a permutation, and "raise" would buffer the output
            chunk.rows.numeric.take(chosen, axis=0, out=numeric[slot:upto], mode="clip")
            chunk.rows.integers.take(chosen, axis=0, out=integers[slot:upto], mode="clip")
            weight[slot:upto] = 1.0
            filled += len(chosen)
            slot = upto
            if not len(chunk.order):
                lane.popleft()
    label = integers[:, -1:].astype(np.float32)
    categorical = np.ascontiguousarray(integers[:, :-1])
    return filled, ({"numeric": numeric, "categorical": categorical}, label, weight)
