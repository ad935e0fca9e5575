"""Batches: static shapes, planned rows, zero weights only at the end."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from pipelines.errors import ParameterError, TableError
from pipelines.loading.aligned import aligned_empty, aligned_stack, to_tensor
from pipelines.loading.dataset import Reading, Split, load_split
from pipelines.loading.manifest import read_manifest
from pipelines.world import World
from tests.pipelines.loading.tables import COLUMNS, rows, write_table


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("table")
    parts = [rows(40, first_id=40 * i, seed=i) for i in range(5)]
    return write_table(folder, {"train": [*parts, rows(7, first_id=200)], "validation": parts[:1]})


def _split(folder: Path, rank: int, size: int, seed: int | None = 3, memory_mb: int = 0) -> Split:
    manifest = read_manifest(str(folder), 0, COLUMNS)
    return load_split(manifest, "train", World(rank, size), Reading(48, seed, memory_mb))


def _ids(split: Split, epoch: int, first_step: int = 0) -> list[set[int]]:
    batches = list(split.batches(epoch, first_step))
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


@pytest.mark.proves("F23")
@pytest.mark.parametrize("size", [2, 3])
def test_ranks_together_see_the_batches_of_one_rank(folder: Path, size: int) -> None:
    alone = _ids(_split(folder, 0, 1), epoch=1)
    assert set.union(*alone) == set(range(207))
    assert sum(map(len, alone)) == 207
    shares = [_ids(_split(folder, rank, size), epoch=1) for rank in range(size)]
    assert [set.union(*step) for step in zip(*shares, strict=True)] == alone


@pytest.mark.parametrize("memory_mb", [0, 1], ids=["streamed", "in_memory"])
def test_an_epoch_that_was_cut_goes_on_with_the_batches_that_were_left(
    folder: Path, memory_mb: int
) -> None:
    whole = _ids(_split(folder, 0, 1, memory_mb=memory_mb), epoch=2)
    shares = [
        _ids(_split(folder, rank, 2, memory_mb=memory_mb), epoch=2, first_step=3)
        for rank in range(2)
    ]
    assert [set.union(*step) for step in zip(*shares, strict=True)] == whole[3:]


def test_rows_in_memory_are_read_once_and_each_epoch_permutes_them_anew(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    split = _split(folder, 0, 1, memory_mb=1)
    asked: list[int] = []
    read = split._reader.read
    monkeypatch.setattr(
        split._reader,
        "read",
        lambda groups, order: asked.append(len(groups)) or read(groups, order),
    )
    epochs = [
        [inputs["numeric"].numpy()[weight.numpy() > 0, 0].astype(int).tolist()
         for inputs, _, weight in split.batches(epoch)]
        for epoch in (1, 2, 1)
    ]  # fmt: skip
    split.close()
    assert len(asked) == 1
    assert epochs[0] == epochs[2] != epochs[1]
    for epoch in epochs:
        assert sorted(row for step in epoch for row in step) == list(range(207))


def test_rows_that_do_not_fit_into_memory_are_refused(tmp_path: Path) -> None:
    write_table(tmp_path, {"train": [rows(70_000)]})
    with pytest.raises(
        ParameterError, match="fit into 1 MB; split 'train' needs 2 MB on each of 1"
    ):
        _split(tmp_path, 0, 1, memory_mb=1)


def test_row_groups_that_do_not_fit_into_the_bound_are_refused(tmp_path: Path) -> None:
    write_table(tmp_path, {"train": [rows(70_000)]})
    manifest = read_manifest(str(tmp_path), 0, COLUMNS)
    with pytest.raises(
        ParameterError, match=r"fit into 1 MB; 52 of 2 MB, as row group 0 of .* need 2 MB"
    ):
        load_split(manifest, "train", World(0, 1), Reading(48, 1, buffer_mb=1))


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


def test_a_row_group_across_lanes_is_decoded_once(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    split = _split(folder, 0, 1)
    asked: list[int] = []
    read = split._reader.read
    monkeypatch.setattr(
        split._reader, "read", lambda groups, order: asked.extend(groups) or read(groups, order)
    )
    assert sum(len(step) for step in _ids(split, 0)) == 207
    assert sorted(asked) == list(range(6))


def test_the_dataset_gives_the_batches_too(folder: Path) -> None:
    split = _split(folder, 0, 1)
    ours = [batch[0]["numeric"].numpy() for batch in split.batches(3)]
    theirs = [batch[0]["numeric"].numpy() for batch in split.dataset(3)]
    assert all(np.array_equal(one, two) for one, two in zip(ours, theirs, strict=True))
    split.close()


def test_an_error_while_reading_keeps_its_class(tmp_path: Path) -> None:
    write_table(tmp_path, {"train": [rows(30)]})
    split = _split(tmp_path, 0, 1)
    for file in (tmp_path / "split=train").glob("*"):
        file.unlink()
    with pytest.raises(TableError, match="can't be read"):
        list(split.batches(0))


def test_an_order_that_leaves_a_row_out_is_refused(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    split = _split(folder, 0, 1)
    monkeypatch.setattr(
        type(split.plan), "row_order", lambda plan, group, _: np.arange(plan.rows[group])[:-1]
    )
    with pytest.raises(TableError, match=r"expected (40|7) rows in row group 0 .* got (39|6)"):
        list(split.batches(0))


@pytest.mark.parametrize("memory_mb", [0, 1])
def test_an_epoch_that_gives_other_rows_than_planned_is_refused(
    folder: Path, monkeypatch: pytest.MonkeyPatch, memory_mb: int
) -> None:
    split = _split(folder, 0, 1, memory_mb=memory_mb)
    monkeypatch.setattr(type(split.plan), "rows_of_rank", lambda *_: 208)
    with pytest.raises(TableError, match="expected 208 rows for rank 0 of 1; got 207"):
        list(split.batches(0))


@pytest.mark.parametrize("memory_mb", [0, 1])
def test_tensors_share_the_memory_of_their_batch_alone(folder: Path, memory_mb: int) -> None:
    split = _split(folder, 0, 1, memory_mb=memory_mb)
    kept = list(split.batches(3))  # all at once: memory used again would show
    wanted = list(split.arrays(3))
    for (inputs, label, weight), (arrays, weights) in zip(kept, wanted, strict=True):
        for name in ("numeric", "categorical"):
            assert np.array_equal(inputs[name].numpy(), arrays[name])
        assert np.array_equal(label.numpy()[:, 0], arrays["label"])
        assert np.array_equal(weight.numpy(), weights)
    split.close()


def test_tensors_take_aligned_memory_over_and_copy_other() -> None:
    ours = aligned_empty((7, 3), np.float32)
    ours[...] = 1
    theirs = np.ones(64, np.float32)[1:]
    shared, copied = to_tensor(ours), to_tensor(theirs)
    ours[0, 0] = theirs[0] = 5
    assert shared.numpy()[0, 0] == 5
    assert copied.numpy()[0] == 1
    assert to_tensor(aligned_empty((0, 3), np.float32)).shape == (0, 3)


@pytest.mark.parametrize("shape", [(7, 3), (16,), (5, 0)])
def test_each_array_of_a_stack_lies_where_a_tensor_can_take_it_over(shape: tuple[int, ...]) -> None:
    stack = aligned_stack(3, shape, np.int32)
    assert (stack.shape, stack.dtype) == ((3, *shape), np.int32)
    stack[...] = np.arange(3).reshape(3, *(1 for _ in shape))
    for number, array in enumerate(stack):
        if array.size:
            assert array.flags.c_contiguous
            assert array.__array_interface__["data"][0] % 64 == 0
            assert np.all(array == number)
