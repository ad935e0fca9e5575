"""A shard plan as whole batches of tensors with static shapes, or as a tf.data.Dataset of them.

Memory is bounded by (2 x lanes of this rank + 4) row groups and three batches, four with images,
whatever the table's size; or by what the caller allows, for rows that stay in memory.

``batches`` has a thread of its own make the next batches. tf.data's from_generator does the same,
and takes 3 ms of a processor for each batch (rows in memory: 0.5 against 0.9 million a second).
"""

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from pipelines.errors import ParameterError, TableError
from pipelines.loading.ahead import ahead
from pipelines.loading.aligned import aligned_empty, to_tensor
from pipelines.loading.columns import LABEL, Field, InputColumns
from pipelines.loading.decode import Decoder, Rows, concatenate
from pipelines.loading.images import ImageDecoder
from pipelines.loading.manifest import Manifest
from pipelines.loading.reader import RowGroupReader
from pipelines.loading.shard_plan import ShardPlan
from pipelines.world import World

PREFETCH = 2
_BESIDE_LANES = 4  # row groups that a rank holds beside two for each of its lanes
# an array (slots, ...) for each field, and the weight (slots,) float32
Batch: TypeAlias = tuple[dict[str, NDArray[Any]], NDArray[np.float32]]


@dataclass(slots=True)
class _Chunk:
    """What is left of one stretch: the row group's arrays and the order of its rows."""

    rows: Rows
    order: NDArray[np.int64]


_Lanes: TypeAlias = list[deque[_Chunk]]


class ToTensors:
    """Makes tensors of batches: label and weight apart, images decoded."""

    def __init__(self, columns: InputColumns) -> None:
        self._images = {column.name: ImageDecoder(column) for column in columns.images}

    def __call__(self, batches: Iterator[Batch]) -> Iterator[Any]:
        """Give ``(inputs, label, weight)`` of each batch, while the next one's images decode."""
        begun: deque[Callable[[], Any]] = deque()
        for batch in batches:
            begun.append(self._begin(batch))
            if len(begun) > bool(self._images):
                yield begun.popleft()()
        while begun:
            yield begun.popleft()()

    def _begin(self, batch: Batch) -> Callable[[], Any]:
        arrays, weight = batch
        images = {name: decode.begin(arrays[name]) for name, decode in self._images.items()}

        def end() -> Any:
            inputs = {
                name: images[name]() if name in images else to_tensor(array)
                for name, array in arrays.items()
                if name != LABEL
            }
            label = aligned_empty((len(weight), 1), np.float32)
            label[:, 0] = arrays[LABEL]
            return inputs, to_tensor(label), to_tensor(weight)

        return end

    def close(self) -> None:
        """End the threads that decode."""
        for decoder in self._images.values():
            decoder.close()


@dataclass(slots=True)
class Split:
    """One split as batches for one rank, epoch after epoch.

    A batch is ``(inputs, label (B, 1) float32, weight (B,) float32)``; the weight is 1 for a row
    and 0 for an empty slot. Inputs are ``numeric`` (B, n) float32, ``categorical`` (B, m) int32,
    and by their names (B, length) of each list and (B, height, width, channels) uint8 of each
    image; see ``InputColumns``.
    """

    plan: ShardPlan
    world: World
    columns: InputColumns
    _reader: RowGroupReader
    to_tensors: ToTensors
    _resident: dict[int, Rows] = field(default_factory=dict)

    def batches(self, epoch: int, first_step: int = 0) -> Iterator[Any]:
        """Give the batches of one epoch as tensors, from ``first_step`` to ``plan.num_steps``.

        Raises:
            TableError: The table can't be read, or an epoch gave other rows than planned.
        """
        return ahead(self.to_tensors(self.arrays(epoch, first_step)), PREFETCH)

    def dataset(self, epoch: int, first_step: int = 0) -> "tf.data.Dataset[Any]":
        """Give one epoch as a dataset; iterate it to its end before asking for the next."""
        size = self.plan.batch_size(self.world)
        inputs = {
            item.name: tf.TensorSpec((size, *item.shape), item.dtype)
            for item in self.columns.fields
            if item.name != LABEL
        }
        for image in self.columns.images:
            inputs[image.name] = tf.TensorSpec((size, *image.shape), tf.uint8)
        label = tf.TensorSpec((size, 1), tf.float32)
        weight = tf.TensorSpec((size,), tf.float32)
        made = tf.data.Dataset.from_generator(
            lambda: self.to_tensors(self.arrays(epoch, first_step)),
            output_signature=(inputs, label, weight),
        )
        options = tf.data.Options()
        options.threading.private_threadpool_size = 1
        # the tuner's thread sleeps 10 ms, 20, 40 ... and the end of an iterator waits for it:
        # an epoch of 5.2 s took 10.3 s. There is nothing to tune here
        options.autotune.enabled = False
        return made.prefetch(PREFETCH).with_options(options)

    def close(self) -> None:
        """Stop reading."""
        self._reader.close()
        self.to_tensors.close()

    def arrays(
        self, epoch: int, first_step: int = 0, end_step: int | None = None
    ) -> Iterator[Batch]:
        """Give the batches of steps before they are tensors, images still encoded."""
        end = self.plan.num_steps if end_step is None else end_step
        feed = self._feed_resident if self.plan.is_resident else self._feed
        lanes = [deque[_Chunk]() for _ in range(self.plan.lanes // self.world.size)]
        fields, given = self.columns.fields, 0
        for _ in feed(epoch, first_step, end, lanes):
            filled, batch = _take(lanes, self.plan.slice_size, fields)
            given += filled
            yield batch
        planned = self.plan.rows_of_rank(self.world, first_step, end)
        if given != planned:
            raise TableError(
                f"epoch {epoch}: expected {planned} rows for rank {self.world.rank} of "
                f"{self.world.size}; got {given}. The reader has a fault; please report it"
            )

    def _feed(self, epoch: int, first_step: int, end_step: int, lanes: _Lanes) -> Iterator[None]:
        """Before each step, put into the lanes what it needs."""
        reads = self.plan.reads(self.world, epoch, first_step, end_step)
        # where a row group lies across the border between two lanes it is needed twice: once
        # decoded, it is kept for that, at most one for each border
        last = {read.row_group: number for number, read in enumerate(reads)}
        kept: dict[int, Rows] = {}
        decoded = self._reader.read(list(last))
        position = 0
        for step in range(first_step, end_step):
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

    def _feed_resident(
        self, epoch: int, first_step: int, end_step: int, lanes: _Lanes
    ) -> Iterator[None]:
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
        begin, end = (step * self.plan.slice_size for step in (first_step, end_step))
        for number, rows in self._resident.items():
            order = self.plan.lane_order(self.world, number, epoch)[begin:end]
            if len(order):
                lanes[number].append(_Chunk(rows, order))
        for _ in range(first_step, end_step):
            yield


@dataclass(frozen=True, slots=True)
class Reading:
    """How a split is read.

    ``global_batch_size`` counts the rows of a step over all ranks. ``seed`` decides their order;
    None keeps the table's, for validation and test. With ``memory_mb`` 0 the rows are read anew in
    each epoch, in at most ``buffer_mb`` for the row groups that a rank holds at once; else the rows
    of a rank stay in memory, in so many MB.
    """

    global_batch_size: int
    seed: int | None = None
    memory_mb: int = 0
    buffer_mb: int = 4000


def load_split(manifest: Manifest, split: str, world: World, reading: Reading) -> Split:
    """Plan and open one split of a table version for one rank.

    Raises:
        ParameterError: The batch size or number of ranks does not fit the plan, or the rows that
            a rank holds do not fit into the memory allowed.
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
    _check_memory(manifest, split, plan, world, reading)
    decoder = Decoder(manifest.columns, manifest.filters)
    return Split(
        plan, world, manifest.columns, RowGroupReader(groups, decoder), ToTensors(manifest.columns)
    )


def _check_memory(
    manifest: Manifest, split: str, plan: ShardPlan, world: World, reading: Reading
) -> None:
    table, groups = manifest.table, manifest.row_groups(split)
    whole = sum(group.num_bytes for group in groups)
    if plan.is_resident:
        needed_mb = _megabytes(whole * plan.rows_of_rank(world) // plan.num_rows)
        if needed_mb > reading.memory_mb:
            raise ParameterError(
                f"{table}: expected the rows of a rank to fit into {reading.memory_mb} MB; "
                f"split {split!r} needs {needed_mb} MB on each of {world.size} ranks. Give more, "
                "take more ranks, or 0 to read the rows anew in each epoch"
            )
        return
    held = 2 * plan.lanes // world.size + _BESIDE_LANES
    largest = max(groups, key=lambda group: group.num_bytes)
    needed_mb = _megabytes(min(whole, held * largest.num_bytes))
    if needed_mb > reading.buffer_mb:
        raise ParameterError(
            f"{table}: expected the row groups that a rank holds at once to fit into "
            f"{reading.buffer_mb} MB; {held} of {_megabytes(largest.num_bytes)} MB, as row group "
            f"{largest.index} of {largest.file} has, need {needed_mb} MB. Write the table with "
            "smaller row groups (parquet.block.size), take more ranks, or allow more memory"
        )


def _megabytes(num_bytes: int) -> int:
    return -(-num_bytes // 10**6)


def _take(lanes: Sequence[deque[_Chunk]], size: int, fields: Sequence[Field]) -> tuple[int, Batch]:
    slots = size * len(lanes)
    arrays = {item.name: item.zeros(slots) for item in fields}
    weight = np.zeros(slots, np.float32)
    filled = 0
    for number, lane in enumerate(lanes):
        slot, end = number * size, (number + 1) * size
        while lane and slot < end:
            chunk = lane[0]
            chosen, chunk.order = chunk.order[: end - slot], chunk.order[end - slot :]
            upto = slot + len(chosen)
            for name, array in chunk.rows.arrays.items():
                # clip: the indexes are a permutation, and "raise" would buffer the output
                array.take(chosen, axis=0, out=arrays[name][slot:upto], mode="clip")
            weight[slot:upto] = 1.0
            filled += len(chosen)
            slot = upto
            if not len(chunk.order):
                lane.popleft()
    return filled, (arrays, weight)
