"""A pickle beside the data: stock Petastorm runs it, ours does not."""

import pickle
import warnings
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from petastorm.etl.dataset_metadata import UNISCHEMA_KEY, infer_or_load_unischema
from petastorm.fs_utils import FilesystemResolver

from pipelines.errors import TableError
from pipelines.loading.decode import Decoder
from pipelines.loading.manifest import read_manifest
from pipelines.loading.reader import RowGroupReader
from tests.pipelines.loading.tables import COLUMNS, rows, write_table

pytestmark = pytest.mark.proves("S1")


class _Marker:
    """Unpickled, it makes a file; Petastorm lets builtins through, and eval is one of them."""

    def __init__(self, path: Path) -> None:
        self._code = f"__import__('pathlib').Path({str(path)!r}).touch()"

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return eval, (self._code,)


def _plant(folder: Path, name: str, marker: Path) -> Path:
    schema = rows(1).schema.with_metadata({UNISCHEMA_KEY: pickle.dumps(_Marker(marker))})
    pq.write_metadata(pa.schema(schema), folder / name)
    return folder / name


def test_a_planted_pickle_runs_in_stock_petastorm(tmp_path: Path) -> None:
    """What the next tests are about; without it they could not fail."""
    folder, marker = tmp_path / "table", tmp_path / "marker"
    write_table(folder, {"train": [rows(10)]})
    _plant(folder, "_common_metadata", marker)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of a legacy dataset, which Petastorm uses
        dataset = pq.ParquetDataset(
            str(folder), FilesystemResolver("file:///").filesystem(), use_legacy_dataset=True
        )
        infer_or_load_unischema(dataset)
    assert marker.exists()


@pytest.mark.parametrize("name", ["_common_metadata", "_metadata"])
def test_a_table_that_holds_one_is_refused_and_it_does_not_run(tmp_path: Path, name: str) -> None:
    folder, marker = tmp_path / "table", tmp_path / "marker"
    write_table(folder, {"train": [rows(10)]})
    _plant(folder, name, marker)
    with pytest.raises(TableError, match=f"expected no file {name}"):
        read_manifest(str(folder), 0, COLUMNS)
    assert not marker.exists()


def test_one_that_comes_later_or_lies_deeper_is_never_opened(tmp_path: Path) -> None:
    folder, marker = tmp_path / "table", tmp_path / "marker"
    write_table(folder, {"train": [rows(10)]})
    _plant(folder / "split=train", "_common_metadata", marker)
    groups = read_manifest(str(folder), 0, COLUMNS).row_groups("train")
    for name in ("_common_metadata", "_metadata"):
        _plant(folder, name, marker)
    reader = RowGroupReader(groups, Decoder(COLUMNS))
    assert sum(len(got) for got in reader.read([0])) == 10
    reader.close()
    assert not marker.exists()


@pytest.mark.proves("S14")
@pytest.mark.parametrize("path", ["../secret.parquet", "split=train/..%2F..%2Fsecret.parquet"])
def test_a_log_that_names_a_file_outside_of_its_table_is_refused(tmp_path: Path, path: str) -> None:
    folder = tmp_path / "table"
    outside = {"add": {"path": path, "size": 1, "partitionValues": {"split": "train"}}}
    write_table(folder, {"train": [rows(10)]}, actions=[outside])
    with pytest.raises(TableError, match="expected files inside the table's folder"):
        read_manifest(str(folder), 0, COLUMNS)
