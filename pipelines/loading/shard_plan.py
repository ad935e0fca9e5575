"""Who reads which row, in which order: pure arithmetic over row counts, seed and epoch.

The order does not depend on the number of ranks. Row groups are permuted and laid end to end in
one stream of rows; the rows inside each row group are permuted too (the bounded second level of
the shuffle). The stream is cut into ``lanes`` equal stretches. Step k takes the k-th slice of
every lane, and a rank owns neighbouring lanes, so the k-th global batch is the same set of rows
on any number of ranks that divides ``lanes``. Where a lane is out of rows, at the end, slots stay
empty: they get weight zero, so every rank takes the same number of steps and no row is seen twice.

A resident plan is for rows that stay in memory: the lanes hold the same rows in all epochs, those
of the first one's order, and each lane is permuted wholly, epoch by epoch. Where rows have lengths,
a lane can lay those of like length side by side: since all lanes take their steps in one order, a
global batch then holds rows of like length, and is still the same on any number of ranks.

A row group is read at most twice an epoch by a rank (once more where it lies across the border
between two lanes), and a rank holds at most one row group per lane.

Compare mosaicml/streaming, "elastic determinism": canonical nodes play the part of lanes.
"""

import hashlib
import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from itertools import accumulate

import numpy as np
from numpy.typing import NDArray

from pipelines.errors import ParameterError, TrainingError
from pipelines.world import World

LANES = 24  # divisible by 1, 2, 3, 4, 6, 8, 12 and 24 ranks
_GROUPS, _ROWS, _LANES, _JITTER, _STEPS = 0, 1, 2, 3, 4  # streams of random numbers
# lengths are taken for a tenth more or less than they are, or the same rows would always meet
_LEAST, _MOST = 0.9, 1.1


@dataclass(frozen=True, slots=True)
class Stretch:
    """Rows [begin, end) of a row group, after its permutation, that lie in one lane.

    ``lane`` counts from the rank's first lane.
    """

    lane: int
    begin: int
    end: int

    @property
    def rows(self) -> int:
        """Number of rows."""
        return self.end - self.begin


@dataclass(frozen=True, slots=True)
class Read:
    """One decoding of a row group: needed from ``step`` on, handed to its ``stretches``."""

    row_group: int
    step: int
    stretches: tuple[Stretch, ...]


@dataclass(frozen=True, slots=True)
class ShardPlan:
    """The plan of all epochs of one split.

    Args:
        rows: Rows of each row group, in the manifest's order.
        global_batch_size: Rows per step over all ranks; a multiple of ``lanes``.
        seed: Decides every order, together with the epoch.
        lanes: Stretches of the stream; the number of ranks must divide it.
        is_shuffled: False keeps the manifest's order, for validation and test.
        is_resident: The lanes hold the same rows in all epochs; see ``lane_order``.
    """

    rows: tuple[int, ...]
    global_batch_size: int
    seed: int
    lanes: int = LANES
    is_shuffled: bool = True
    is_resident: bool = False

    def __post_init__(self) -> None:
        size, lanes = self.global_batch_size, self.lanes
        if size < 1 or size % lanes:
            below = max(size // lanes, 1) * lanes
            raise ParameterError(
                f"expected --global-batch-size to be a multiple of {lanes} (so that 1, 2, 3, 4, 6, "
                f"8, 12 or 24 ranks share it alike); got {size}. Take {below} or {below + lanes}"
            )
        if self.seed < 0:
            raise ParameterError(f"expected --seed >= 0; got {self.seed}")
        if not self.num_rows:
            raise TrainingError("expected at least one row to plan; got none")

    @property
    def num_rows(self) -> int:
        """Rows of one epoch."""
        return sum(self.rows)

    @property
    def slice_size(self) -> int:
        """Rows that one step takes of one lane."""
        return self.global_batch_size // self.lanes

    @property
    def num_steps(self) -> int:
        """Steps of one epoch, the same on each rank."""
        longest = -(-self.num_rows // self.lanes)
        return -(-longest // self.slice_size)

    def batch_size(self, world: World) -> int:
        """Slots of one step of one rank."""
        return self.global_batch_size // world.size

    def rows_in_step(self, step: int) -> int:
        """Rows of the global batch ``step``; fewer than ``global_batch_size`` only at the end."""
        return sum(self._lane_step_rows(lane, step) for lane in range(self.lanes))

    def rows_of_rank(self, world: World, first_step: int = 0, end_step: int | None = None) -> int:
        """Rows that ``world`` reads in an epoch, in steps [first_step, end_step)."""
        first, last = self._lanes_of(world)
        return sum(
            self._lane_end_at(lane, end_step) - self._lane_begin_at(lane, first_step)
            for lane in range(first, last)
        )

    def check_world(self, world: World) -> None:
        """Refuse a number of ranks that this plan can't serve alike.

        Raises:
            ParameterError: ``world.size`` does not divide ``lanes``.
            TrainingError: There are fewer rows than ranks.
        """
        if self.lanes % world.size:
            fitting = [size for size in range(1, self.lanes + 1) if not self.lanes % size]
            raise ParameterError(
                f"expected a number of ranks that divides {self.lanes}; got {world.size}. "
                f"Take one of {fitting}"
            )
        if self.num_rows < world.size:
            raise TrainingError(
                f"expected at least one row for each rank; got {self.num_rows} rows for "
                f"{world.size} ranks. Take fewer ranks (--np) or give more data"
            )

    def reads(
        self, world: World, epoch: int, first_step: int = 0, end_step: int | None = None
    ) -> list[Read]:
        """Give what ``world`` decodes in ``epoch``, in the order in which it is needed.

        Args:
            world: This rank.
            epoch: Decides the order, together with the seed.
            first_step: Rows of earlier steps are left out: an epoch that was cut goes on with the
                rows that would have followed, on any number of ranks.
            end_step: Rows of this and later steps are left out; None: none.
        """
        self.check_world(world)
        first, last = self._lanes_of(world)
        shared: dict[tuple[int, int], list[Stretch]] = {}
        for group, group_begin, begin, end in self._pieces(epoch, first, last):
            for lane in range(self._lane_at(begin), self._lane_at(end - 1) + 1):
                lane_begin = self._lane_begin(lane)
                low = max(begin, self._lane_begin_at(lane, first_step))
                high = min(end, self._lane_end_at(lane, end_step))
                if low < high:
                    step = (low - lane_begin) // self.slice_size
                    stretch = Stretch(lane - first, low - group_begin, high - group_begin)
                    shared.setdefault((step, group), []).append(stretch)
        # sorted by step only: the sort is stable, so stream order stays within a step
        planned = sorted(shared.items(), key=lambda item: item[0][0])
        return [Read(group, step, tuple(stretches)) for (step, group), stretches in planned]

    def row_order(self, row_group: int, epoch: int) -> NDArray[np.int64]:
        """Give the order of the rows inside one row group, (rows,)."""
        rows = self.rows[row_group]
        if not self.is_shuffled:
            return np.arange(rows)
        return self._random(_ROWS, self._layout(epoch), row_group).permutation(rows)

    def group_order(self, epoch: int) -> NDArray[np.int64]:
        """Give the order of the row groups in the stream, (row groups,)."""
        if not self.is_shuffled:
            return np.arange(len(self.rows))
        return self._random(_GROUPS, self._layout(epoch)).permutation(len(self.rows))

    def lane_order(
        self, world: World, lane: int, epoch: int, lengths: NDArray[np.int32] | None = None
    ) -> NDArray[np.int64]:
        """Give the order in which a resident plan takes the rows of a rank's lane, (rows,).

        ``lengths`` of the lane's rows, (rows,), bring rows of like length together.
        """
        number = self._lanes_of(world)[0] + lane
        rows = self._lane_begin(number + 1) - self._lane_begin(number)
        if not self.is_shuffled:
            return np.arange(rows)
        order = self._random(_LANES, epoch, number).permutation(rows)
        return order if lengths is None else self._alike(order, lengths, epoch, number)

    def _alike(
        self, order: NDArray[np.int64], lengths: NDArray[np.int32], epoch: int, lane: int
    ) -> NDArray[np.int64]:
        """Sort what fills whole slices in every lane by length; then permute the slices, alike."""
        num_whole = self.num_rows // self.lanes // self.slice_size
        whole = order[: num_whole * self.slice_size]
        jitter = self._random(_JITTER, epoch, lane).uniform(_LEAST, _MOST, len(whole))
        by_length = whole[np.argsort(lengths[whole] * jitter, kind="stable")]
        slices = by_length.reshape(num_whole, self.slice_size)
        steps = self._random(_STEPS, epoch).permutation(num_whole)
        return np.concatenate([slices[steps].reshape(-1), order[len(whole) :]])

    def _layout(self, epoch: int) -> int:
        """Epoch whose order lays the rows out."""
        return 0 if self.is_resident else epoch

    def fingerprint(self) -> str:
        """SHA-256 over all that decides the order, and over the first epoch's order itself."""
        said = [asdict(self), self.group_order(0).tolist(), self.row_order(0, 0)[:64].tolist()]
        return hashlib.sha256(json.dumps(said).encode()).hexdigest()[:16]

    def _pieces(self, epoch: int, first: int, last: int) -> Iterator[tuple[int, int, int, int]]:
        low, high = self._lane_begin(first), self._lane_begin(last)
        order = [int(group) for group in self.group_order(epoch)]
        ends = accumulate(self.rows[group] for group in order)
        for group, end in zip(order, ends, strict=True):
            begin = end - self.rows[group]
            if max(begin, low) < min(end, high):
                yield group, begin, max(begin, low), min(end, high)

    def _lanes_of(self, world: World) -> tuple[int, int]:
        share = self.lanes // world.size
        return world.rank * share, (world.rank + 1) * share

    def _lane_begin(self, lane: int) -> int:
        return self.num_rows * lane // self.lanes

    def _lane_begin_at(self, lane: int, step: int) -> int:
        """First position of a lane that ``step`` or a later one takes."""
        begin, end = self._lane_begin(lane), self._lane_begin(lane + 1)
        return min(begin + step * self.slice_size, end)

    def _lane_end_at(self, lane: int, step: int | None) -> int:
        """End of the positions of a lane that the steps before ``step`` take."""
        return self._lane_begin(lane + 1) if step is None else self._lane_begin_at(lane, step)

    def _lane_at(self, position: int) -> int:
        # the last lane whose begin is at or before position
        return ((position + 1) * self.lanes - 1) // self.num_rows

    def _lane_step_rows(self, lane: int, step: int) -> int:
        length = self._lane_begin(lane + 1) - self._lane_begin(lane)
        return min(max(length - step * self.slice_size, 0), self.slice_size)

    def _random(self, *stream: int) -> np.random.Generator:
        return np.random.Generator(np.random.Philox(np.random.SeedSequence((self.seed, *stream))))
