"""Labels of classes and numbers as loading checks and gives them."""

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from pipelines.errors import TableError
from pipelines.loading.columns import InputColumns
from pipelines.loading.dataset import Reading, load_split
from pipelines.loading.label_counts import count_labels
from pipelines.loading.manifest import read_manifest
from pipelines.world import World
from schemas.encode import FeatureSet
from schemas.target import Target
from tests.pipelines.loading.tables import rows, write_table

_FIVE = Target("classes", ("a", "b", "c", "d", "e"))
CLASSES = InputColumns.of(FeatureSet(("x1",), (), (), "c0", _FIVE))
NUMBER = InputColumns.of(FeatureSet(("x1",), ("c0",), (5,), "x0", Target("number")))


def _labels(folder: Path, columns: InputColumns) -> Any:
    split = load_split(read_manifest(str(folder), 0, columns), "train", World(0, 1), Reading(24))
    found = [label.numpy()[weight.numpy() > 0] for _, label, weight in split.batches(0)]
    split.close()
    return np.concatenate(found)


@pytest.mark.parametrize("columns", [CLASSES, NUMBER])
def test_labels_come_as_float32_one_a_row(tmp_path: Path, columns: InputColumns) -> None:
    table = rows(70, seed=1)
    write_table(tmp_path, {"train": [table]})
    found = _labels(tmp_path, columns)
    assert (found.shape, found.dtype) == ((70, 1), np.float32)
    assert sorted(found[:, 0].tolist()) == sorted(table[columns.label].to_pylist())


def test_rows_of_each_class_are_counted_and_the_range_of_a_number_is_known(tmp_path: Path) -> None:
    table = rows(70, seed=1)
    write_table(tmp_path, {"train": [table]})
    counts = np.bincount(table["c0"].to_numpy(), minlength=5)
    assert count_labels(read_manifest(str(tmp_path), 0, CLASSES), "train") == tuple(counts)
    assert read_manifest(str(tmp_path), 0, NUMBER).label_range("train") == (0.0, 69.0)


@pytest.mark.parametrize(
    ("columns", "wrong", "message"),
    [
        (CLASSES, pa.array([5] * 70, pa.int32()), r"column c0: expected codes from 0 to 4; got 5"),
        (NUMBER, pa.array([np.nan] * 70, pa.float32()), "column x0: expected finite numbers; 70"),
    ],
)
def test_a_label_that_is_none_stops_the_run(
    tmp_path: Path, columns: InputColumns, wrong: pa.Array, message: str
) -> None:
    table = rows(70, seed=1)
    place = table.schema.get_field_index(columns.label)
    write_table(tmp_path, {"train": [table.set_column(place, columns.label, wrong)]})
    with pytest.raises(TableError, match=message):
        _labels(tmp_path, columns)


def test_a_label_of_another_type_is_named(tmp_path: Path) -> None:
    table = rows(70).drop_columns(["x0"])
    whole = table.append_column("x0", pa.array(range(70), pa.int32()))
    write_table(tmp_path, {"train": [whole]})
    with pytest.raises(TableError, match="x0 expected float, got int32"):
        read_manifest(str(tmp_path), 0, NUMBER)
