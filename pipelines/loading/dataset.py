"""A shard plan as whole batches of tensors with static shapes, or as a tf.data.Dataset of them.

Memory is bounded by (2 x lanes of this rank + 4) row groups, and the batches made ahead (of a few
milliseconds, and of 4 MiB laid at once), whatever the table's size; or by what the caller allows,
for rows that stay in memory.

``batches`` has a thread of its own make the next batches. tf.data's from_generator does the same,
and takes 3 ms of a processor for each batch (rows in memory: 0.5 against 0.9 million a second).
"""

from collections import deque
from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from pipelines.errors import ParameterError, TableError
from pipelines.loading.ahead import ahead
from pipelines.loading.aligned import aligned_empty, to_tensor
from pipelines.loading.augment import Augmenter
from pipelines.loading.augmentation import NO_AUGMENTATION, Augmentation
from pipelines.loading.columns import LABEL, InputColumns
from pipelines.loading.decode import Decoder
from pipelines.loading.images import ImageDecoder
from pipelines.loading.lanes import Batch, Resident, Share, stream
from pipelines.loading.manifest import Manifest
from pipelines.loading.mixup import Mixup, mix_images, mix_labels
from pipelines.loading.reader import RowGroupReader
from pipelines.loading.shard_plan import ShardPlan
from pipelines.world import World
from schemas.encode import length_name

PREFETCH = 2
_BESIDE_LANES = 4  # row groups that a rank holds beside two for each of its lanes


class ToTensors:
    """Makes tensors of batches: label and weight apart, images decoded.

    With ``is_trimmed`` a list that is not of fixed length is cut to the least of its ``widths``
    that holds what the batch has of it. With ``mixup`` images and labels are mixed in pairs, and
    a label is (B, 3), see ``mix_labels``.
    """

    mixup: Mixup | None = None

    def __init__(
        self, columns: InputColumns, augment: Sequence[Augmenter] = (), *, is_trimmed: bool = False
    ) -> None:
        self._trimmed = {column.name: column.widths for column in columns.lists if is_trimmed}
        self._images = {column.name: ImageDecoder(column) for column in columns.images}
        self._augment = {augmenter.name: augmenter for augmenter in augment}

    def __call__(self, batches: Iterator[Batch], epoch: int = 0) -> Iterator[Any]:
        """Give ``(inputs, label, weight)`` of each batch, while the next one's images decode."""
        begun: deque[Callable[[], Any]] = deque()
        for batch in batches:
            begun.append(self._begin(batch, epoch))
            if len(begun) > bool(self._images):
                yield begun.popleft()()
        while begun:
            yield begun.popleft()()

    @property
    def trimmed(self) -> tuple[str, ...]:
        """Lists whose length differs from batch to batch."""
        return tuple(name for name, widths in self._trimmed.items() if widths)

    def _begin(self, batch: Batch, epoch: int) -> Callable[[], Any]:
        arrays, weight = batch
        for name, widths in self._trimmed.items():
            if widths:
                longest = int(arrays[length_name(name)].max(initial=1))
                width = next(width for width in widths if width >= longest)
                arrays[name] = _cut(arrays[name], width)
        images = {name: decode.begin(arrays[name]) for name, decode in self._images.items()}

        mixed = self._mixed(arrays, weight, epoch)

        def varied(name: str, contents: NDArray[Any]) -> Any:
            pixels = images[name]()
            augment = self._augment.get(name)
            pixels = augment(pixels, contents, epoch) if augment else pixels
            return mix_images(pixels, *mixed) if mixed else pixels

        def end() -> Any:
            inputs = {
                name: varied(name, array) if name in images else to_tensor(array)
                for name, array in arrays.items()
                if name != LABEL
            }
            label = aligned_empty((len(weight), 3 if mixed else 1), np.float32)
            label[:, 0] = arrays[LABEL]
            if mixed:
                label[:] = mix_labels(label[:, 0], *mixed)
            return inputs, to_tensor(label), to_tensor(weight)

        return end

    def _mixed(self, arrays: dict[str, Any], weight: Any, epoch: int) -> tuple[Any, Any] | None:
        """Give partners and shares of a batch's rows, where they are mixed."""
        if not self.mixup:
            return None
        contents = arrays[next(iter(self._images))]
        return self.mixup.partners(weight), self.mixup.shares(contents, epoch)

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
    _resident: Resident | None = None

    def batches(self, epoch: int, first_step: int = 0) -> Generator[Any]:
        """Give the batches of one epoch as tensors, from ``first_step`` to ``plan.num_steps``.

        Raises:
            TableError: The table can't be read, or an epoch gave other rows than planned.
        """
        return ahead(self.to_tensors(self.arrays(epoch, first_step), epoch), PREFETCH)

    def dataset(self, epoch: int, first_step: int = 0) -> "tf.data.Dataset[Any]":
        """Give one epoch as a dataset; iterate it to its end before asking for the next."""
        size = self.plan.batch_size(self.world)
        inputs = {
            item.name: tf.TensorSpec((size, *item.shape), item.dtype)
            for item in self.columns.fields
            if item.name != LABEL
        }
        for name in self.to_tensors.trimmed:
            inputs[name] = tf.TensorSpec((size, None), inputs[name].dtype)
        for image in self.columns.images:
            inputs[image.name] = tf.TensorSpec((size, *image.shape), tf.uint8)
        label = tf.TensorSpec((size, 1), tf.float32)
        weight = tf.TensorSpec((size,), tf.float32)
        made = tf.data.Dataset.from_generator(
            lambda: self.to_tensors(self.arrays(epoch, first_step), epoch),
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
        steps = range(first_step, self.plan.num_steps if end_step is None else end_step)
        given = 0
        for batch in self._made(epoch, steps):
            given += int(batch[1].sum())
            yield batch
        planned = self.plan.rows_of_rank(self.world, steps.start, steps.stop)
        if given != planned:
            raise TableError(
                f"epoch {epoch}: expected {planned} rows for rank {self.world.rank} of "
                f"{self.world.size}; got {given}. The reader has a fault; please report it"
            )

    def _made(self, epoch: int, steps: range) -> Iterator[Batch]:
        trimmed = tuple(length_name(name) for name in self.to_tensors.trimmed)
        share = Share(self.plan, self.world, self._reader, self.columns.fields, trimmed)
        if not self.plan.is_resident:
            return stream(share, epoch, steps)
        if self._resident is None:
            self._resident = Resident(share)
        return self._resident.batches(epoch, steps)


@dataclass(frozen=True, slots=True)
class Reading:
    """How a split is read.

    ``global_batch_size`` counts the rows of a step over all ranks. ``seed`` decides their order;
    None keeps the table's, for validation and test. With ``memory_mb`` 0 the rows are read anew in
    each epoch, in at most ``buffer_mb`` for the row groups that a rank holds at once; else the rows
    of a rank stay in memory, in so many MB. With ``is_trimmed`` lists are only as long as a batch
    needs, and rows in memory are brought together by their lengths.
    ``augmentation`` varies images anew in each epoch.
    """

    global_batch_size: int
    seed: int | None = None
    memory_mb: int = 0
    buffer_mb: int = 4000
    is_trimmed: bool = False
    augmentation: Augmentation = NO_AUGMENTATION


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
    decoder = Decoder(manifest.columns, manifest.filters, groups)
    how, images = reading.augmentation, manifest.columns.images
    augment = [Augmenter(column, how, reading.seed or 0) for column in images if how]
    to_tensors = ToTensors(manifest.columns, augment, is_trimmed=reading.is_trimmed)
    if how.mixup:
        to_tensors.mixup = _mixup(manifest, plan, reading)
    return Split(plan, world, manifest.columns, RowGroupReader(groups, decoder), to_tensors)


def _mixup(manifest: Manifest, plan: ShardPlan, reading: Reading) -> Mixup:
    columns = manifest.columns
    if columns.numeric or columns.categorical or columns.lists or plan.slice_size == 1:
        raise ParameterError(
            "--augment mixup: expected images alone and --global-batch-size of 48 or more, so that "
            f"pairs can be mixed; got {[*columns.types]} and {reading.global_batch_size}"
        )
    return Mixup(reading.augmentation.mixup, plan.slice_size, reading.seed or 0)


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


def _cut(lists: NDArray[Any], width: int) -> NDArray[Any]:
    cut = aligned_empty((len(lists), width), lists.dtype)
    cut[:] = lists[:, :width]
    return cut


def _megabytes(num_bytes: int) -> int:
    return -(-num_bytes // 10**6)
