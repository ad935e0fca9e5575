"""Row filters: row groups are skipped, kept whole or masked, and the count is that of the rows."""

from collections.abc import Sequence
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines.errors import ParameterError, TableError
from pipelines.loading.dataset import Reading, load_split
from pipelines.loading.manifest import Manifest, read_manifest
from pipelines.loading.row_filter import RowFilter, decide, mask, parse_filter
from pipelines.world import World
from tests.pipelines.loading.tables import COLUMNS, rows, write_table

SIGNS = ["<", "<=", ">", ">=", "=", "!="]


def read(folder: Path, *filters: str) -> Manifest:
    return read_manifest(str(folder), 0, COLUMNS, [parse_filter(text) for text in filters])


def ids(manifest: Manifest) -> list[int]:
    split = load_split(manifest, "train", World(0, 1), Reading(48, 1))
    found = [
        int(x)
        for inputs, _, weight in split.batches(0)
        for x in inputs["numeric"].numpy()[weight.numpy() > 0, 0]
    ]
    split.close()
    return sorted(found)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("table")
    start = date(2013, 1, 1)
    tables: Sequence[pa.Table] = [
        rows(100, first_id=first).append_column(
            "day", pa.array([start + timedelta(days=first + i) for i in range(100)], pa.date32())
        ).append_column("number", pa.array(range(first, first + 100), pa.int64()))
        for first in (0, 100, 200)
    ]  # fmt: skip
    return write_table(folder, {"train": tables, "validation": tables[:1]})


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("number >= 150", range(150, 300)),
        ("number<20", range(20)),
        ("number = 42", range(42, 43)),
        ("number != 42", [*range(42), *range(43, 300)]),
        ("day < 2013-01-11", range(10)),
        ("key = k205", [205]),
        ("x0 > 249.5", range(250, 300)),
    ],
)
def test_the_rows_that_match_are_read_and_counted(
    folder: Path, text: str, kept: Sequence[int]
) -> None:
    manifest = read(folder, text)
    assert ids(manifest) == list(kept)
    assert manifest.num_rows("train") == len(kept)
    assert manifest.filtered["train"] == 300 - len(kept)


def test_filters_are_joined_by_and(folder: Path) -> None:
    assert ids(read(folder, "number >= 90", "number < 110")) == list(range(90, 110))


def test_row_groups_that_cannot_match_are_not_opened(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[str] = []
    real = pq.ParquetFile.read_row_group

    def count(self: pq.ParquetFile, i: int, columns: list[str], **said: bool) -> pa.Table:
        opened.append(columns[-1])
        return real(self, i, columns=columns, **said)

    monkeypatch.setattr(pq.ParquetFile, "read_row_group", count)
    # 100 to 199 and 200 to 299 match whole; 0 to 99 not at all: the footers decide
    assert len(read(folder, "number >= 100").row_groups("train")) == 2
    assert opened == []
    assert len(read(folder, "number >= 150").row_groups("train")) == 2
    assert opened == ["number"]


@given(
    st.lists(st.one_of(st.none(), st.integers(-3, 3)), min_size=1, max_size=8),
    st.sampled_from(SIGNS),
    st.integers(-4, 4),
    st.sampled_from([pa.int32(), pa.float32()]),
    st.integers(0, 1),
)
@settings(max_examples=300, deadline=None)
def test_the_footers_verdict_is_that_of_the_rows(
    values: list[int | None], sign: str, value: int, kind: pa.DataType, num_nan: int
) -> None:
    column = pa.array([None if x is None else float(x) for x in values], pa.float64()).cast(kind)
    if num_nan and pa.types.is_floating(kind):
        column = pa.concat_arrays([column, pa.array([float("nan")], kind)])
    table = pa.table({"x": column})
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink)
    chunk = pq.ParquetFile(sink.getvalue()).metadata.row_group(0).column(0)
    wanted = RowFilter("x", sign, str(value))
    matches = mask([wanted], table)
    verdict = decide(wanted, kind, chunk)
    assert verdict is None or np.all(matches == verdict)


def test_a_filter_that_leaves_nothing_is_said(folder: Path) -> None:
    manifest = read(folder, "number > 1000")
    with pytest.raises(TableError, match=r"none .*left out by number > 1000: .*'train': 300"):
        manifest.row_groups("train")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("number", "expected a filter like"),
        ("number ~ 3", "expected a filter like"),
        ("distance > 3", r"expected one of the columns .*'number'.*; got 'distance'"),
        ("number > many", "expected a value of type int64; got 'many'"),
        ("day > 2013-13-01", "expected a value of type date32"),
    ],
)
def test_a_filter_that_cannot_be_answered_is_refused(folder: Path, text: str, message: str) -> None:
    with pytest.raises(ParameterError, match=message):
        read(folder, text)


def test_the_labels_that_are_left_are_known(folder: Path) -> None:
    manifest = read(folder, "number = 42")
    low, high = manifest.label_range("train") or (None, None)
    assert low == high == rows(100)["label"][42].as_py()
