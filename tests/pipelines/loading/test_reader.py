"""The reader: planned row groups in planned order, nothing lost, nothing unreadable let through."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from petastorm.workers_pool import EmptyResultError
from petastorm.workers_pool.thread_pool import ThreadPool

from pipelines.errors import TableError
from pipelines.loading.decode import Decoder
from pipelines.loading.manifest import RowGroup, read_manifest
from pipelines.loading.reader import LosslessThreadPool, RowGroupReader
from tests.pipelines.loading.tables import COLUMNS, rows, write_table


def _reader(folder: Path, tables: list[pa.Table]) -> RowGroupReader:
    write_table(folder, {"train": tables})
    groups = read_manifest(str(folder), 0, COLUMNS).row_groups("train")
    return RowGroupReader(groups, Decoder(COLUMNS))


def test_row_groups_come_in_the_order_asked_with_repeats_round_after_round(tmp_path: Path) -> None:
    reader = _reader(tmp_path, [rows(10, first_id=10 * i) for i in range(6)])
    for order in ([5, 0, 3, 3, 1], [2], [], [0, 1, 2, 3, 4, 5] * 3):
        firsts = [int(got.arrays["numeric"][0, 0]) for got in reader.read(order)]
        assert firsts == [10 * index for index in order]
    reader.close()


def test_columns_are_taken_by_name(tmp_path: Path) -> None:
    table = rows(10)
    reader = _reader(tmp_path, [table])
    (got,) = reader.read([0])
    numeric = got.arrays["numeric"]
    assert numeric.dtype == np.float32
    assert np.array_equal(numeric, np.stack([table["x0"], table["x1"]], axis=1))
    assert np.array_equal(got.arrays["categorical"][:, 0], table["c0"])
    assert np.array_equal(got.arrays["label"], table["label"])
    reader.close()


@pytest.mark.proves("F24")
@pytest.mark.parametrize("rounds", [200, pytest.param(1000, marks=pytest.mark.slow)])
def test_no_row_is_lost_over_many_small_rounds(
    tmp_path: Path, rounds: int, record_property: Callable[[str, int], None]
) -> None:
    reader = _reader(tmp_path, [rows(3, first_id=3 * i) for i in range(4)])
    counts = [sum(len(got) for got in reader.read([0, 1, 2, 3])) for _ in range(rounds)]
    reader.close()
    assert counts == [12] * rounds
    record_property(f"epochs of {rounds} with the exact number of rows", len(counts))


class _LateVentilator:
    """Queues its last item just after the pool has found its workers idle: the race, on demand."""

    def __init__(self, pool: ThreadPool) -> None:
        self.pool, self.asked = pool, 0

    def start(self) -> None: ...
    def stop(self) -> None: ...
    def processed_item(self) -> None: ...

    def completed(self) -> bool:
        self.asked += 1
        if self.asked == 1:
            self.pool.ventilate("the last row group")
        # from the second question on it is true, as it is from the queueing on
        return self.asked > 1 or isinstance(self.pool, LosslessThreadPool) is False


class _Echo:
    def __init__(self, worker_id: int, publish: Any, args: Any) -> None:
        self.worker_id, self.publish_func = worker_id, publish

    def process(self, item: str) -> None:
        self.publish_func(item)


@pytest.mark.proves("F24")
def test_an_item_queued_between_the_pools_two_questions_is_not_lost() -> None:
    pool = LosslessThreadPool(1)
    pool.start(_Echo, ventilator=_LateVentilator(pool))
    assert pool.get_results() == "the last row group"
    pool.stop()
    pool.join()


@pytest.mark.proves("F24")
def test_the_stock_pool_loses_that_item() -> None:
    pool = ThreadPool(1)
    pool.start(_Echo, ventilator=_LateVentilator(pool))
    with pytest.raises(EmptyResultError):
        pool.get_results()
    pool.stop()
    pool.join()


@pytest.mark.proves("F27")
@pytest.mark.parametrize(
    ("name", "values", "message"),
    [
        (
            "x1",
            pa.array([1.0, float("nan"), float("inf")], pa.float32()),
            "x1: expected finite .* 2 are",
        ),
        ("c0", pa.array([0, 5, 1], pa.int32()), "c0: expected codes from 0 to 4; got 0 to 5"),
        ("c0", pa.array([0, -1, 1], pa.int32()), "c0: expected codes from 0 to 4; got -1 to 1"),
        ("label", pa.array([0, 2, 1], pa.int32()), "label: expected codes from 0 to 1"),
        ("x1", pa.array([0.0, None, 1.0], pa.float32()), "x1: expected no nulls"),
    ],
)
def test_values_that_no_features_job_writes_are_refused(
    tmp_path: Path, name: str, values: pa.Array, message: str
) -> None:
    table = rows(3)
    table = table.set_column(table.schema.get_field_index(name), name, values)
    pq.write_table(table, tmp_path / "a.parquet")
    file, decoder = str(tmp_path / "a.parquet"), Decoder(COLUMNS)
    with pytest.raises(TableError, match=message):
        decoder.rows(decoder.read(file, 0), RowGroup(file, 0, 3))


@pytest.mark.proves("F9")
def test_a_file_deleted_after_the_manifest_was_made_stops_the_epoch(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    reader = _reader(tmp_path, [rows(10), rows(10, first_id=10)])
    for file in (tmp_path / "split=train").glob("*"):
        file.unlink()
    with pytest.raises(TableError, match="make the table again"):
        list(reader.read([0, 1]))
    assert "Traceback" not in capfd.readouterr().err


def test_a_row_group_that_goes_missing_in_the_pool_is_noticed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    reader = _reader(tmp_path, [rows(10), rows(10, first_id=10)])
    start = reader._reader.start
    monkeypatch.setattr(reader._reader, "start", lambda groups, order: start(groups[:-1], order))
    with pytest.raises(TableError, match="expected 2 row groups by the manifest; got 1"):
        list(reader.read([0, 1]))
    reader.close()
