"""Rows of like length in one batch: still the same global batches on any number of ranks."""

from itertools import chain

import numpy as np
import pyarrow as pa
import pytest

from pipelines.loading.columns import InputColumns, ListColumn
from pipelines.loading.dataset import Reading, Split, load_split
from pipelines.loading.manifest import read_manifest
from pipelines.loading.shard_plan import ShardPlan
from pipelines.world import World
from tests.pipelines.loading.tables import write_table

COLUMNS = InputColumns(("x",), (), (), "label", (ListColumn("tokens", 40, size=100),))
ROWS, BATCH = 500, 48


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Row i has i % 41 tokens; x is i."""
    numbers = range(ROWS)
    columns = {
        "x": pa.array(np.arange(ROWS, dtype=np.float32)),
        "label": pa.array([i % 2 for i in numbers], pa.int32()),
        "tokens": pa.array([[1 + i % 99] * (i * 7 % 41) for i in numbers], pa.list_(pa.int32())),
    }
    rows = pa.table(columns)
    folder = tmp_path_factory.mktemp("lists")
    return str(write_table(folder, {"train": [rows.slice(0, 300), rows.slice(300)]}))


def load(table: str, world: World, *, memory_mb: int = 50, is_trimmed: bool = True) -> Split:
    reading = Reading(BATCH, 3, memory_mb, is_trimmed=is_trimmed)
    return load_split(read_manifest(table, 0, COLUMNS), "train", world, reading)


def batches(table: str, world: World, epoch: int = 1, **how: object) -> list[list[int]]:
    """The rows of each step."""
    found: list[list[int]] = []
    for inputs, _, weight in load(table, world, **how).batches(epoch):  # type: ignore[arg-type]
        found.append(inputs["numeric"].numpy()[weight.numpy() > 0, 0].astype(int).tolist())
    return found


def test_global_batches_are_the_same_on_any_number_of_ranks_and_each_row_comes_once(
    table: str,
) -> None:
    alone = [sorted(rows) for rows in batches(table, World(0, 1))]
    assert sorted(row for rows in alone for row in rows) == list(range(ROWS))
    for size in (2, 3, 8):
        parts = [batches(table, World(rank, size)) for rank in range(size)]
        assert [sorted(chain(*step)) for step in zip(*parts, strict=True)] == alone


def test_rows_of_like_length_meet_and_each_epoch_mixes_them_anew(table: str) -> None:
    def spread(steps: list[list[int]]) -> float:
        return float(np.mean([np.std([row * 7 % 41 for row in rows]) for rows in steps[:-1]]))

    bucketed = batches(table, World(0, 1))
    assert spread(bucketed) < 0.5 * spread(batches(table, World(0, 1), is_trimmed=False))
    later = batches(table, World(0, 1), epoch=2)
    assert {frozenset(rows) for rows in bucketed}.isdisjoint({frozenset(rows) for rows in later})
    # short and long ones come in no order
    means = [np.mean([row * 7 % 41 for row in rows]) for rows in bucketed[:-1]]
    assert np.any(np.diff(means) > 0)
    assert np.any(np.diff(means) < 0)


@pytest.mark.parametrize("memory_mb", [0, 50], ids=["streamed", "in_memory"])
def test_lists_are_as_long_as_their_batch_needs_and_lose_nothing(
    table: str, memory_mb: int
) -> None:
    widths: list[int] = []
    for inputs, _, weight in load(table, World(0, 1), memory_mb=memory_mb).batches(0):
        tokens, lengths = inputs["tokens"].numpy(), inputs["tokens_length"].numpy()
        rows = inputs["numeric"].numpy()[:, 0].astype(int)
        is_row = weight.numpy() > 0
        assert lengths[is_row].tolist() == [row * 7 % 41 for row in rows[is_row]]
        assert ((tokens > 0).sum(axis=1) == lengths).all()
        assert tokens.shape[1] in (10, 20, 30, 40)
        assert tokens.shape[1] - lengths.max() < 10
        widths.append(tokens.shape[1])
    assert len(set(widths)) > 1 or not memory_mb


def test_without_lengths_the_order_of_a_lane_is_what_it_was() -> None:
    plan = ShardPlan((500,), BATCH, 3, is_resident=True)
    plain = plan.lane_order(World(0, 1), 2, 1)
    assert sorted(plain.tolist()) == list(range(len(plain)))
    alike = plan.lane_order(World(0, 1), 2, 1, np.arange(len(plain), dtype=np.int32))
    assert sorted(alike.tolist()) == sorted(plain.tolist())
    assert alike.tolist() != plain.tolist()


def test_neighbours_by_length_are_not_always_the_same() -> None:
    plan = ShardPlan((480,), BATCH, 3, is_resident=True)
    lengths = np.arange(50, 70, dtype=np.int32)  # no two alike: by length alone there is one order
    orders = [plan.lane_order(World(0, 1), 2, epoch, lengths) for epoch in (1, 2)]
    pairs = [{*map(frozenset, order.reshape(-1, 2).tolist())} for order in orders]
    assert pairs[0] != pairs[1]
