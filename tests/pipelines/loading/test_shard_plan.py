"""The shard plan: every row once, equal steps, the same global batches on any number of ranks."""

from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines.errors import ParameterError, TrainingError
from pipelines.loading.shard_plan import ShardPlan
from pipelines.world import World

Row = tuple[int, int]  # (row group, row)
RANKS = (1, 2, 3, 4, 8)


def global_batches(plan: ShardPlan, size: int, epoch: int, first_step: int = 0) -> list[list[Row]]:
    """Rows of each step over all ranks, by following each rank's reads alone."""
    steps: list[list[Row]] = [[] for _ in range(plan.num_steps - first_step)]
    for rank in range(size):
        lanes: dict[int, list[Row]] = {}
        for read in plan.reads(World(rank, size), epoch, first_step):
            order = plan.row_order(read.row_group, epoch)
            for stretch in read.stretches:
                lane = lanes.setdefault(stretch.lane, [])
                # there when it is needed
                assert first_step + len(lane) // plan.slice_size == read.step
                rows = order[stretch.begin : stretch.end]
                lane += [(read.row_group, int(row)) for row in rows]
        for lane in lanes.values():
            for position, row in enumerate(lane):
                steps[position // plan.slice_size].append(row)
    return steps


@st.composite
def plans(draw: st.DrawFn) -> ShardPlan:
    rows = draw(st.lists(st.integers(1, 60), min_size=1, max_size=12).filter(lambda r: sum(r) >= 8))
    slices = draw(st.integers(1, 4))
    return ShardPlan(tuple(rows), 24 * slices, draw(st.integers(0, 2**31 - 1)))


@pytest.mark.proves("F23")
@given(plans(), st.integers(0, 5))
@settings(max_examples=60, deadline=None)
def test_every_row_is_read_once_an_epoch_on_any_number_of_ranks(
    plan: ShardPlan, epoch: int
) -> None:
    wanted = Counter((group, row) for group, rows in enumerate(plan.rows) for row in range(rows))
    for size in RANKS:
        read = Counter(row for step in global_batches(plan, size, epoch) for row in step)
        assert read == wanted


@given(plans(), st.integers(0, 5))
@settings(max_examples=60, deadline=None)
def test_the_global_batches_do_not_depend_on_the_number_of_ranks(
    plan: ShardPlan, epoch: int
) -> None:
    alone = [sorted(step) for step in global_batches(plan, 1, epoch)]
    for size in RANKS[1:]:
        assert [sorted(step) for step in global_batches(plan, size, epoch)] == alone


@pytest.mark.proves("F26")
@given(plans(), st.integers(0, 5), st.data())
@settings(max_examples=60, deadline=None)
def test_an_epoch_that_was_cut_goes_on_with_the_rows_that_were_left(
    plan: ShardPlan, epoch: int, data: st.DataObject
) -> None:
    first = data.draw(st.integers(0, plan.num_steps - 1))
    left = [sorted(step) for step in global_batches(plan, 1, epoch)[first:]]
    for size in RANKS:
        assert [sorted(step) for step in global_batches(plan, size, epoch, first)] == left
        ranks = [World(rank, size) for rank in range(size)]
        assert sum(plan.rows_of_rank(rank, first) for rank in ranks) == sum(map(len, left))


@given(plans(), st.data())
@settings(max_examples=60, deadline=None)
def test_an_epoch_that_ends_early_reads_the_rows_of_its_steps_only(
    plan: ShardPlan, data: st.DataObject
) -> None:
    end = data.draw(st.integers(1, plan.num_steps))
    first = data.draw(st.integers(0, end - 1))
    planned = sum(plan.rows_in_step(step) for step in range(first, end))
    for size in RANKS:
        ranks = [World(rank, size) for rank in range(size)]
        reads = [read for rank in ranks for read in plan.reads(rank, 1, first, end)]
        assert sum(stretch.rows for read in reads for stretch in read.stretches) == planned
        assert sum(plan.rows_of_rank(rank, first, end) for rank in ranks) == planned


@given(plans())
@settings(max_examples=60, deadline=None)
def test_steps_are_full_but_the_last_ones_and_counted_right(plan: ShardPlan) -> None:
    counts = [len(step) for step in global_batches(plan, 1, 0)]
    assert counts == [plan.rows_in_step(step) for step in range(plan.num_steps)]
    assert counts[-1] > 0
    assert all(count == plan.global_batch_size for count in counts[:-2])


@given(plans())
@settings(max_examples=30, deadline=None)
def test_a_rank_reads_a_row_group_at_most_twice(plan: ShardPlan) -> None:
    for size in RANKS:
        for rank in range(size):
            reads = Counter(read.row_group for read in plan.reads(World(rank, size), 1))
            # once where its first rows end a lane, once for all the lanes that begin inside it
            assert max(reads.values(), default=0) <= 2


def test_epochs_and_seeds_give_other_orders() -> None:
    plan = ShardPlan((50,) * 10, 48, seed=1)
    assert list(plan.group_order(0)) != list(plan.group_order(1))
    assert list(plan.row_order(3, 0)) != list(plan.row_order(3, 1))
    assert list(plan.row_order(3, 0)) != list(plan.row_order(4, 0))
    assert list(plan.group_order(0)) != list(ShardPlan((50,) * 10, 48, seed=2).group_order(0))
    assert plan.fingerprint() != ShardPlan((50,) * 10, 48, seed=2).fingerprint()
    assert plan.fingerprint() == ShardPlan((50,) * 10, 48, seed=1).fingerprint()


def test_seed_zero_is_a_seed_like_any_other() -> None:
    plan = ShardPlan((50,) * 10, 48, seed=0)
    assert list(plan.group_order(0)) == list(plan.group_order(0)) != list(range(10))


def test_an_unshuffled_plan_keeps_the_tables_order() -> None:
    plan = ShardPlan((30, 30), 24, seed=5, is_shuffled=False)
    lanes = [stretch for read in plan.reads(World(0, 1), 7) for stretch in read.stretches]
    assert np.array_equal(plan.row_order(1, 7), np.arange(30))
    assert sum(stretch.rows for stretch in lanes) == 60


@pytest.mark.parametrize("size", [0, 1, 100, -24])
def test_a_batch_that_lanes_do_not_divide_is_refused(size: int) -> None:
    with pytest.raises(ParameterError, match="multiple of 24"):
        ShardPlan((100,), size, seed=1)


def test_the_batch_error_names_the_nearest_that_fit() -> None:
    with pytest.raises(ParameterError, match="Take 96 or 120"):
        ShardPlan((100,), 100, seed=1)


def test_a_number_of_ranks_that_does_not_divide_the_lanes_is_refused() -> None:
    with pytest.raises(ParameterError, match=r"divides 24; got 5. Take one of \[1, 2, 3, 4, 6, 8"):
        ShardPlan((100,), 24, seed=1).check_world(World(0, 5))


@pytest.mark.proves("B47")
def test_fewer_rows_than_ranks_are_refused() -> None:
    with pytest.raises(TrainingError, match=r"got 3 rows for 4 ranks. Take fewer ranks"):
        ShardPlan((3,), 24, seed=1).check_world(World(0, 4))
