from dataclasses import asdict
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipelines.errors import ParameterError, StateError, TableError
from pipelines.evaluation.arrays import (
    read_sample,
    to_arrays,
)
from pipelines.state import read_features, write_json
from schemas.encode import FeatureSet
from schemas.target import Target
from tests.pipelines import tiny

FEATURES = FeatureSet(("b", "a"), ("code",), (4,), "label")


def _batch(**columns: object) -> pa.RecordBatch:
    known = {"a": [1.0, 2.0], "b": [3.0, 4.0], "code": [0, 3], "label": [0, 1], **columns}
    return pa.RecordBatch.from_pydict(known)


def test_columns_are_stacked_in_the_state_s_order_of_each_kind() -> None:
    found = to_arrays(_batch(), FEATURES)
    assert found.numeric.tolist() == [[3.0, 1.0], [4.0, 2.0]]
    assert found.categorical.tolist() == [[0], [3]]
    assert found.label.tolist() == [0, 1]
    assert found.numeric.dtype == np.float32
    assert found.categorical.dtype == np.int32


def test_a_null_is_refused_by_name() -> None:
    with pytest.raises(TableError, match=r"b: expected no nulls .* got 1 of 2"):
        to_arrays(_batch(b=[None, 4.0]), FEATURES)


def test_a_missing_column_is_refused_by_name() -> None:
    with pytest.raises(TableError, match="no column 'code'"):
        to_arrays(_batch().select(["a", "b", "label"]), FEATURES)


def test_the_state_gives_order_kinds_and_sizes(tmp_path: Path) -> None:
    found = read_features(Path(tiny.write_state(tmp_path / "state.json")))
    assert found == FeatureSet(("y_num", "x_num"), ("shop_code",), (3,), "is_late")


def test_the_state_of_another_step_is_refused(tmp_path: Path) -> None:
    (tmp_path / "impute.json").write_text('{"fills": {}}')
    with pytest.raises(ParameterError, match="expected the keys features and label; got"):
        read_features(tmp_path / "impute.json")


def test_a_sample_is_near_its_size_repeats_and_says_the_total(tmp_path: Path) -> None:
    path = str(tmp_path / "part.parquet")
    numbers = np.arange(5000)
    columns = {"a": numbers.astype(np.float32), "b": numbers.astype(np.float32)}
    pq.write_table(
        pa.table({**columns, "code": numbers.astype(np.int32), "label": numbers % 2}), path
    )
    drawn, total = read_sample([path], FEATURES, max_rows=1000, seed=3)
    again, _ = read_sample([path], FEATURES, max_rows=1000, seed=3)
    whole, _ = read_sample([path], FEATURES, max_rows=5000, seed=3)
    assert total == 5000
    assert 900 < len(drawn) < 1100
    assert drawn.numeric.tolist() == again.numeric.tolist()
    assert whole.numeric[:, 0].tolist() == numbers.tolist()


def test_the_target_of_a_state_is_read_back(tmp_path: Path) -> None:
    target = Target("number", unit="mph", mean=50.0, deviation=8.0)
    path = tmp_path / "state.json"
    write_json(path, tiny.STATE | {"target": asdict(target)})
    assert read_features(path).target == target
    colours = Target("classes", ("red", "green"))
    write_json(path, tiny.STATE | {"target": asdict(colours)})
    assert read_features(path).target == colours


@pytest.mark.parametrize(
    "target",
    [
        {"kind": "ranks"},
        {"kind": "classes", "classes": ["a"]},
        {"kind": "number", "deviation": 0.0},
        {"kind": "number", "mean": "x"},
        {"width": 3},
        [],
    ],
)
def test_a_target_that_was_altered_is_refused(tmp_path: Path, target: object) -> None:
    path = tmp_path / "state.json"
    write_json(path, tiny.STATE | {"target": target})
    with pytest.raises(StateError, match="expected a target of kind binary, classes or number"):
        read_features(path)
