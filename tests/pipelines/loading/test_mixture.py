"""Mixtures: fixed shares of every batch, the first table once an epoch, alike on any ranks."""

from pathlib import Path

import numpy as np
import pytest

from pipelines.errors import ParameterError
from pipelines.loading.dataset import Reading, load_split
from pipelines.loading.manifest import read_manifest
from pipelines.loading.mixture import Mixture, mix, share_batch
from pipelines.world import World
from tests.pipelines.loading.tables import COLUMNS, rows, write_table

MAIN, SMALL, LARGE = 300, 50, 900
FIRSTS = {"main": 0, "small": 1_000, "large": 10_000}


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    sizes = {"main": MAIN, "small": SMALL, "large": LARGE}
    made = []
    for name, size in sizes.items():
        first, part = FIRSTS[name], size // 5
        tables = [rows(part, first_id=first + part * i, seed=i) for i in range(5)]
        made.append(write_table(tmp_path_factory.mktemp(name), {"train": tables}))
    return made


def mixture(folders: list[Path], rank: int = 0, size: int = 1, memory_mb: int = 0) -> Mixture:
    parts = share_batch(120, [0.2, 0.4])
    mixed = mix(
        [
            load_split(
                read_manifest(str(folder), 0, COLUMNS), "train", World(rank, size),
                Reading(part, 3, memory_mb),
            )
            for folder, part in zip(folders, parts, strict=True)
        ]
    )  # fmt: skip
    assert isinstance(mixed, Mixture)
    return mixed


def steps(loaded: Mixture, epoch: int, first_step: int = 0) -> list[list[int]]:
    found = [
        [int(x) for x in inputs["numeric"].numpy()[weight.numpy() > 0, 0]]
        for inputs, _, weight in loaded.batches(epoch, first_step)
    ]
    loaded.close()
    return found


def test_shares_are_rounded_to_what_lanes_divide() -> None:
    assert share_batch(120, [0.2, 0.4]) == [48, 24, 48]
    assert share_batch(1536, [0.25]) == [1152, 384]


@pytest.mark.parametrize("shares", [[0.01], [0.9, 0.2], [1.0], [-0.2]])
def test_shares_that_leave_a_table_out_are_refused(shares: list[float]) -> None:
    with pytest.raises(ParameterError, match="expected shares of a batch that leave at least 24"):
        share_batch(120, shares)


@pytest.mark.parametrize("memory_mb", [0, 1], ids=["streamed", "in_memory"])
def test_the_first_table_is_seen_once_the_others_by_their_share(
    folders: list[Path], memory_mb: int
) -> None:
    loaded = mixture(folders, memory_mb=memory_mb)
    plan = loaded.plan
    found = steps(loaded, epoch=2)
    assert [len(step) for step in found] == [plan.rows_in_step(k) for k in range(plan.num_steps)]
    seen = sorted(row for step in found for row in step)
    assert len(seen) == plan.num_rows
    by_table = np.split(np.array(seen), np.searchsorted(seen, [1_000, 10_000]))
    assert by_table[0].tolist() == list(range(MAIN))
    # seven steps: 24 rows a step of 50 are two whole passes and a third's first step
    counts = np.unique(by_table[1], return_counts=True)[1]
    assert len(counts) == SMALL
    assert set(counts) == {2, 3}
    # 48 rows a step of 900: no row twice
    assert len(by_table[2]) == len(set(by_table[2])) == 48 * plan.num_steps


def test_two_epochs_draw_other_rows_of_a_large_table(folders: list[Path]) -> None:
    one, two = (
        {row for step in steps(mixture(folders), epoch) for row in step if row >= 10_000}
        for epoch in (0, 1)
    )
    assert one != two


@pytest.mark.parametrize("size", [2, 3])
def test_the_batches_are_the_same_on_any_number_of_ranks(folders: list[Path], size: int) -> None:
    alone = [set(step) for step in steps(mixture(folders), 1)]
    shares = [steps(mixture(folders, rank, size), 1) for rank in range(size)]
    assert [set().union(*parts) for parts in zip(*shares, strict=True)] == alone


def test_a_mixture_that_was_cut_goes_on_where_it_was(folders: list[Path]) -> None:
    whole = steps(mixture(folders), 1)
    assert steps(mixture(folders), 1, first_step=4) == whole[4:]
