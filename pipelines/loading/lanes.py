"""The batches of one epoch: of row groups in planned order, or of rows that stay in memory.

A rank's part of each step is a slice of each of its lanes, laid end to end; where a lane is out of
rows, slots stay empty: zeros, with weight zero. The batches of several steps are laid at once, and
rows are put into the epoch's order there: numpy is called a few times for each batch, not for each
lane's slice.
"""

from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from pipelines.loading.aligned import aligned_stack
from pipelines.loading.columns import Field
from pipelines.loading.decode import Rows
from pipelines.loading.reader import RowGroupReader
from pipelines.loading.shard_plan import Read, ShardPlan
from pipelines.world import World

# an array (slots, ...) for each field, and the weight (slots,) float32
Batch: TypeAlias = tuple[dict[str, NDArray[Any]], NDArray[np.float32]]
_BLOCK_BYTES, _BLOCK_STEPS = 2**22, 32  # laid at once: what fits a processor's cache


@dataclass(frozen=True, slots=True)
class Share:
    """What one rank reads: its lanes of a plan.

    Resident rows of like length come together, the sum of the fields ``lengths`` being theirs.
    """

    plan: ShardPlan
    world: World
    reader: RowGroupReader
    fields: tuple[Field, ...]
    lengths: tuple[str, ...] = ()

    @property
    def num_lanes(self) -> int:
        """Lanes of this rank."""
        return self.plan.lanes // self.world.size

    @property
    def slots(self) -> int:
        """Slots of a batch."""
        return self.plan.batch_size(self.world)

    def blocks(self, steps: range) -> Iterator[range]:
        """Cut ``steps`` into those that are laid at once.

        A block takes of a lane no more rows than the largest row group has: with more, a lane would
        hold more than two row groups.
        """
        step_bytes = self.slots * (4 + sum(item.row_bytes for item in self.fields))
        most = min(
            _BLOCK_STEPS, _BLOCK_BYTES // step_bytes, max(self.plan.rows) // self.plan.slice_size
        )
        for first in range(steps.start, steps.stop, max(most, 1)):
            yield range(first, min(first + max(most, 1), steps.stop))

    def empty(self, steps: int) -> tuple[dict[str, NDArray[Any]], NDArray[np.float32]]:
        """Give memory for the batches of ``steps``: (steps, slots, ...), not yet written."""
        arrays = {
            item.name: aligned_stack(steps, (self.slots, *item.shape), item.dtype)
            for item in self.fields
        }
        return arrays, aligned_stack(steps, (self.slots,), np.float32)

    def read(self, row_groups: Sequence[int], epoch: int) -> Iterator[Rows]:
        """Give row groups, the rows of each in the order of ``epoch``."""
        plan = self.plan
        in_order = (lambda group: plan.row_order(group, epoch)) if plan.is_shuffled else None
        return self.reader.read(row_groups, in_order)


@dataclass(slots=True)
class _Piece:
    """What a lane has not yet given of one row group: its rows [begin, end)."""

    rows: Rows
    begin: int
    end: int


_Lane: TypeAlias = deque[_Piece]


def stream(share: Share, epoch: int, steps: range) -> Iterator[Batch]:
    """Give the batches of ``steps``, row groups read as they are needed."""
    plan = share.plan
    reads = plan.reads(share.world, epoch, steps.start, steps.stop)
    # where a row group lies across the border between two lanes it is needed twice: once
    # decoded, it is kept for that, at most one for each border
    last = {read.row_group: number for number, read in enumerate(reads)}
    kept: dict[int, Rows] = {}
    decoded = share.read(list(last), epoch)
    lanes = [_Lane() for _ in range(share.num_lanes)]
    position = 0
    for block in share.blocks(steps):
        while position < len(reads) and reads[position].step < block.stop:
            read = reads[position]
            rows = kept.pop(read.row_group) if read.row_group in kept else next(decoded)
            if position < last[read.row_group]:
                kept[read.row_group] = rows
            for stretch in read.stretches:
                lanes[stretch.lane].append(_Piece(rows, stretch.begin, stretch.end))
            position += 1
        yield from _lay(lanes, share, len(block))
    next(decoded, None)  # lets the reader count its row groups


def _lay(lanes: Sequence[_Lane], share: Share, steps: int) -> Iterator[Batch]:
    size = share.plan.slice_size
    arrays, weight = share.empty(steps)
    weight.fill(1)
    for number, lane in enumerate(lanes):
        slots = slice(number * size, (number + 1) * size)
        filled = 0
        while lane and filled < steps * size:
            piece = lane[0]
            end = min(piece.begin + steps * size - filled, piece.end)
            for name, rows in piece.rows.stretch(piece.begin, end).items():
                _fill(arrays[name][:, slots], filled, rows)
            filled += end - piece.begin
            piece.begin = end
            if end == piece.end:
                lane.popleft()
        if empty := steps * size - filled:
            for item in share.fields:
                _fill(arrays[item.name][:, slots], filled, item.zeros(empty))
            _fill(weight[:, slots], filled, np.zeros(empty, np.float32))
    return _apart(arrays, weight)


def _fill(slots: NDArray[Any], filled: int, rows: NDArray[Any]) -> None:
    """Write ``rows`` to a lane's slots (steps, slice size, ...), of which some are filled."""
    size = slots.shape[1]
    step, begin = divmod(filled, size)
    if begin:
        head = rows[: size - begin]
        slots[step, begin : begin + len(head)] = head
        rows, step = rows[len(head) :], step + 1
    whole, rest = divmod(len(rows), size)
    slots[step : step + whole] = rows[: whole * size].reshape(whole, *slots.shape[1:])
    if rest:
        slots[step + whole, :rest] = rows[whole * size :]


def _apart(arrays: dict[str, NDArray[Any]], weight: NDArray[np.float32]) -> Iterator[Batch]:
    for step in range(len(weight)):
        yield {name: array[step] for name, array in arrays.items()}, weight[step]


class Resident:
    """The rows of one rank in memory, lane after lane, to be taken in another order each epoch."""

    def __init__(self, share: Share) -> None:
        """Read them.

        Raises:
            TableError: The table can't be read.
        """
        self._share = share
        reads = share.plan.reads(share.world, 0)
        self._ends = np.cumsum(_lane_sizes(reads, share.num_lanes))
        # their memory is taken once, and a row group dropped as soon as it is copied
        self._rows = Rows({item.name: item.zeros(int(self._ends[-1])) for item in share.fields})
        filled = [0, *self._ends[:-1].tolist()]
        decoded = share.read([read.row_group for read in reads], 0)
        for read, rows in zip(reads, decoded, strict=True):
            for stretch in read.stretches:
                begin = filled[stretch.lane]
                filled[stretch.lane] += stretch.end - stretch.begin
                for name, part in rows.stretch(stretch.begin, stretch.end).items():
                    self._rows.arrays[name][begin : filled[stretch.lane]] = part

    def batches(self, epoch: int, steps: range) -> Iterator[Batch]:
        """Give the batches of ``steps``."""
        order = self._order(epoch)
        for block in self._share.blocks(steps):
            chosen = order[:, block.start : block.stop].swapaxes(0, 1).reshape(len(block), -1)
            arrays, weight = self._share.empty(len(block))
            np.greater_equal(chosen, 0, out=weight)
            empty = chosen < 0
            num_empty = int(empty.sum())
            for item in self._share.fields:
                taken = arrays[item.name]
                # clip: the places are known to be right, and "raise" would buffer the output
                self._rows.arrays[item.name].take(chosen, axis=0, out=taken, mode="clip")
                if num_empty:
                    taken[empty] = item.zeros(num_empty)
            yield from _apart(arrays, weight)

    def _order(self, epoch: int) -> NDArray[np.int64]:
        """Give the place of each slot's row, (lanes, steps, slots of a lane); -1 where empty."""
        plan, begin = self._share.plan, 0
        parts = [self._rows.arrays[name] for name in self._share.lengths]
        lengths = np.sum(parts, axis=0) if parts else None
        order = np.full((len(self._ends), plan.num_steps * plan.slice_size), -1, np.int64)
        for lane, end in enumerate(self._ends.tolist()):
            mine = None if lengths is None else lengths[begin:end]
            taken = plan.lane_order(self._share.world, lane, epoch, mine)
            order[lane, : end - begin] = begin + taken
            begin = end
        return order.reshape(len(order), plan.num_steps, plan.slice_size)


def _lane_sizes(reads: Sequence[Read], lanes: int) -> NDArray[np.int64]:
    sizes = np.zeros(lanes, np.int64)
    for read in reads:
        for stretch in read.stretches:
            sizes[stretch.lane] += stretch.end - stretch.begin
    return sizes
