"""A shard plan as whole batches of tensors with static shapes, or as a tf.data.Dataset of them.

Memory is bounded by (2 x lanes of this rank + 4) row groups and three batches, whatever the table's
size; or by what the caller allows, for rows that stay in memory.

``batches`` has a thread of its own make the next batches. tf.data's from_generator does the same,
and takes 3 ms of a processor for each batch (rows in memory: 0.5 against 0.9 million a second).
"""

from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from pipelines.errors import ParameterError, TableError
from pipelines.loading.ahead import ahead
from pipelines.loading.decode import Rows, concatenate
from pipelines.loading.manifest import InputColumns, Manifest
from pipelines.loading.reader import RowGroupReader
from pipelines.loading.shard_plan import ShardPlan
from pipelines.world import World

_PREFETCH = 2
_Batch: TypeAlias = tuple[dict[str, NDArray[Any]], NDArray[np.float32], NDArray[np.float32]]


@dataclass(slots=True)
class _Chunk:
    """What is left of one stretch: the row group's matrices and the order of its rows."""

    rows: Rows
    order: NDArray[np.int64]


_Lanes: TypeAlias = list[deque[_Chunk]]


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
    _resident: dict[int, Rows] = field(default_factory=dict)

    def batches(self, epoch: int, first_step: int = 0) -> Iterator[Any]:
        """Give the batches of one epoch as tensors, from ``first_step`` to ``plan.num_steps``.

        Raises:
            TableError: The table can't be read, or an epoch gave other rows than planned.
        """
        return ahead(self._tensors(epoch, first_step), _PREFETCH)

    def _tensors(self, epoch: int, first_step: int) -> Iterator[Any]:
        for inputs, label, weight in self._arrays(epoch, first_step):
            tensors = {name: tf.constant(values) for name, values in inputs.items()}
            yield tensors, tf.constant(label), tf.constant(weight)

    def dataset(self, epoch: int, first_step: int = 0) -> "tf.data.Dataset[Any]":
        """Give one epoch as a dataset; iterate it to its end before asking for the next."""
        size = self.plan.batch_size(self.world)
        inputs = {
            "numeric": tf.TensorSpec((size, len(self.columns.numeric)), tf.float32),
            "categorical": tf.TensorSpec((size, len(self.columns.categorical)), tf.int32),
        }
        label = tf.TensorSpec((size, 1), tf.float32)
        weight = tf.TensorSpec((size,), tf.float32)
        made = tf.data.Dataset.from_generator(
            lambda: self._arrays(epoch, first_step), output_signature=(inputs, label, weight)
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

    def _arrays(self, epoch: int, first_step: int) -> Iterator[_Batch]:
        feed = self._feed_resident if self.plan.is_resident else self._feed
        lanes = [deque[_Chunk]() for _ in range(self.plan.lanes // self.world.size)]
        given = 0
        for _ in feed(epoch, first_step, lanes):
            filled, batch = _take(lanes, self.plan.slice_size, self.columns)
            given += filled
            yield batch
        planned = self.plan.rows_of_rank(self.world, first_step)
        if given != planned:
            raise TableError(
                f"epoch {epoch}: expected {planned} rows for rank {self.world.rank} of "
                f"{self.world.size}; got {given}. The reader has a fault; please report it"
            )

    def _feed(self, epoch: int, first_step: int, lanes: _Lanes) -> Iterator[None]:
        """Before each step, put into the lanes what it needs."""
        reads = self.plan.reads(self.world, epoch, first_step)
        # where a row group lies across the border between two lanes it is needed twice: once
        # decoded, it is kept for that, at most one for each border
        last = {read.row_group: number for number, read in enumerate(reads)}
        kept: dict[int, Rows] = {}
        decoded = self._reader.read(list(last))
        position = 0
        for step in range(first_step, self.plan.num_steps):
            while position < len(reads) and reads[position].step <= step:
                read = reads[position]
                rows = kept.pop(read.row_group) if read.row_group in kept else next(decoded)
                if position < last[read.row_group]:
                    kept[read.row_group] = rows
                order = self.plan.row_order(read.row_group, epoch)
                for stretch in read.stretches:
                    lanes[stretch.lane].append(_Chunk(rows, order[stretch.begin : stretch.end]))
                position += 1
            yield
        next(decoded, None)  # lets the reader count its row groups

    def _feed_resident(self, epoch: int, first_step: int, lanes: _Lanes) -> Iterator[None]:
        """Put the whole lanes in at once, in the epoch's order; the first time, read them."""
        if not self._resident:
            parts: list[list[Rows]] = [[] for _ in lanes]
            reads = self.plan.reads(self.world, 0)
            decoded = self._reader.read([read.row_group for read in reads])
            for read, rows in zip(reads, decoded, strict=True):
                order = self.plan.row_order(read.row_group, 0)
                for stretch in read.stretches:
                    parts[stretch.lane].append(rows.take(order[stretch.begin : stretch.end]))
            self._resident = {i: concatenate(lane) for i, lane in enumerate(parts) if lane}
        done = first_step * self.plan.slice_size
        for number, rows in self._resident.items():
            order = self.plan.lane_order(self.world, number, epoch)[done:]
            if len(order):
                lanes[number].append(_Chunk(rows, order))
        for _ in range(first_step, self.plan.num_steps):
            yield


@dataclass(frozen=True, slots=True)
class Reading:
    """How a split is read.

    ``global_batch_size`` counts the rows of a step over all ranks. ``seed`` decides their order;
    None keeps the table's, for validation and test. With ``memory_mb`` 0 the rows are read anew in
    each epoch, else those of a rank stay in memory, in so many MB.
    """

    global_batch_size: int
    seed: int | None = None
    memory_mb: int = 0


def load_split(manifest: Manifest, split: str, world: World, reading: Reading) -> Split:
    """Plan and open one split of a table version for one rank.

    Raises:
        ParameterError: The batch size or number of ranks does not fit the plan, or the rows of a
            rank do not fit into the memory allowed.
        TableError: The split is empty.
        TrainingError: There are fewer rows than ranks.
    """
    groups = manifest.row_groups(split)
    plan = ShardPlan(
        tuple(group.rows for group in groups),
        reading.global_batch_size,
        seed=reading.seed or 0,
        is_shuffled=reading.seed is not None,
        is_resident=reading.memory_mb > 0,
    )
    plan.check_world(world)
    needed_mb = -(-plan.rows_of_rank(world) * 4 * len(manifest.columns.types) // 10**6)
    if 0 < reading.memory_mb < needed_mb:
        raise ParameterError(
            f"{manifest.table}: expected the rows of a rank to fit into {reading.memory_mb} MB; "
            f"split {split!r} needs {needed_mb} MB on each of {world.size} ranks. Give more, "
            "take more ranks, or 0 to read the rows anew in each epoch"
        )
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
