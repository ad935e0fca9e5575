"""Batches: static shapes, planned rows, zero weights only at the end."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from pipelines.errors import TableError
from pipelines.loading.dataset import Split, load_split
from pipelines.loading.manifest import read_manifest
from pipelines.world import World
from tests.pipelines.loading.tables import COLUMNS, rows, write_table


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("table")
    parts = [rows(40, first_id=40 * i, seed=i) for i in range(5)]
    return write_table(folder, {"train": [*parts, rows(7, first_id=200)], "validation": parts[:1]})


def _split(folder: Path, rank: int, size: int, seed: int | None = 3) -> Split:
    manifest = read_manifest(str(folder), 0, COLUMNS)
    return load_split(manifest, "train", World(rank, size), global_batch_size=48, seed=seed)


def _ids(split: Split, epoch: int) -> list[set[int]]:
    batches = list(split.batches(epoch))
    split.close()
    return [
        {int(x) for x in inputs["numeric"].numpy()[weight.numpy() > 0, 0]}
        for inputs, _, weight in batches
    ]


def test_shapes_are_static_and_types_are_those_of_the_model(folder: Path) -> None:
    split = _split(folder, 0, 2)
    spec: Any = split.dataset(0).element_spec
    inputs, label, weight = spec
    assert inputs["numeric"] == tf.TensorSpec((24, 2), tf.float32)
    assert inputs["categorical"] == tf.TensorSpec((24, 1), tf.int32)
    assert (label, weight) == (tf.TensorSpec((24, 1), tf.float32), tf.TensorSpec((24,), tf.float32))
    split.close()


@pytest.mark.parametrize("size", [2, 3])
def test_ranks_together_see_the_batches_of_one_rank(folder: Path, size: int) -> None:
    alone = _ids(_split(folder, 0, 1), epoch=1)
    assert set.union(*alone) == set(range(207))
    assert sum(map(len, alone)) == 207
    shares = [_ids(_split(folder, rank, size), epoch=1) for rank in range(size)]
    assert [set.union(*step) for step in zip(*shares, strict=True)] == alone


def test_labels_and_codes_stay_with_their_row(folder: Path) -> None:
    split = _split(folder, 0, 1)
    wanted = {
        int(row["x0"]): (row["c0"], row["label"])
        for i in range(5)
        for row in rows(40, first_id=40 * i, seed=i).to_pylist()
    }
    wanted |= {int(r["x0"]): (r["c0"], r["label"]) for r in rows(7, first_id=200).to_pylist()}
    for inputs, label, weight in split.batches(0):
        there = weight.numpy() > 0
        ids = inputs["numeric"].numpy()[there, 0].astype(int)
        codes = inputs["categorical"].numpy()[there, 0]
        labels = label.numpy()[there, 0].astype(int)
        assert [wanted[i] for i in ids] == list(zip(codes, labels, strict=True))
    split.close()


def test_without_a_seed_each_epoch_has_the_same_order(folder: Path) -> None:
    split = _split(folder, 0, 1, seed=None)
    first, again = ([b[0]["numeric"].numpy() for b in split.batches(epoch)] for epoch in (0, 1))
    assert np.array_equal(first, again)
    split.close()


def test_an_error_while_reading_keeps_its_class_through_tensorflow(tmp_path: Path) -> None:
    write_table(tmp_path, {"train": [rows(30)]})
    split = _split(tmp_path, 0, 1)
    for file in (tmp_path / "split=train").glob("*"):
        file.unlink()
    with pytest.raises(TableError, match="can't be read"):
        list(split.batches(0))


def test_an_epoch_that_gives_other_rows_than_planned_is_refused(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    split = _split(folder, 0, 1)
    monkeypatch.setattr(
        type(split.plan), "row_order", lambda plan, group, _: np.arange(plan.rows[group])[:-1]
    )
    with pytest.raises(TableError, match="expected 207 rows for rank 0 of 1; got 201"):
        list(split.batches(0))
