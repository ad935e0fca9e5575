from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from pipelines.explanation.case import read_keyed_sample, say_keys
from schemas.contract import Column
from tests.pipelines import tiny

_FEATURES = tiny.FEATURES


def _files(folder: Path) -> list[str]:
    """Two files of 70 and 30 orders, whose x is the order's number."""
    files: list[str] = []
    for begin, end in ((0, 70), (70, 100)):
        number = np.arange(begin, end)
        table = pa.table(
            {
                "order_id": number,
                "x_num": number.astype(np.float32),
                "y_num": np.zeros(end - begin, np.float32),
                "shop_code": (number % 3).astype(np.int32),
                "is_late": (number % 2).astype(np.int32),
            }
        )
        files.append(str(folder / f"{begin}.parquet"))
        pq.write_table(table, files[-1], row_group_size=25)
    return files


def test_a_sample_has_its_size_its_keys_and_rows_of_all_files(tmp_path: Path) -> None:
    arrays, keys, total = read_keyed_sample(_files(tmp_path), _FEATURES, ("order_id",), 40, 1)
    assert (len(arrays), total) == (40, 100)
    numbers = [row["order_id"] for row in keys]
    assert numbers == sorted(set(numbers))
    assert arrays.numeric[:, 1].tolist() == numbers
    assert max(numbers) > 70 > min(numbers)
    again, _, _ = read_keyed_sample(_files(tmp_path), _FEATURES, ("order_id",), 40, 1)
    assert np.array_equal(again.numeric, arrays.numeric)
    other, _, _ = read_keyed_sample(_files(tmp_path), _FEATURES, ("order_id",), 40, 2)
    assert not np.array_equal(other.numeric, arrays.numeric)


def test_all_rows_come_where_there_are_no_more_and_a_key_that_is_no_column_lacks(
    tmp_path: Path,
) -> None:
    arrays, keys, _ = read_keyed_sample(_files(tmp_path), _FEATURES, ("order_id", "gone"), 500, 1)
    assert len(arrays) == 100
    assert [*keys[0]] == ["order_id"]


def test_no_file_gives_no_row() -> None:
    arrays, keys, total = read_keyed_sample([], _FEATURES, ("order_id",), 10, 1)
    assert (len(arrays), keys, total) == (0, [], 0)


def test_personal_keys_are_masked() -> None:
    source = replace(
        tiny.SPEC.main,
        columns=(Column("order_id", "long"), Column("mail", "string", is_personal=True)),
    )
    said = say_keys(replace(tiny.SPEC, sources=(source,)), [{"order_id": 7, "mail": "a@b"}])
    assert said == [{"order_id": "7", "mail": "***"}]
