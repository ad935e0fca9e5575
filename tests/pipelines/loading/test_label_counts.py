"""Labels of a split are counted from the table, filters included."""

from pathlib import Path

import numpy as np
import pytest

from pipelines.errors import TableError
from pipelines.loading.label_counts import count_labels
from pipelines.loading.manifest import read_manifest
from pipelines.loading.row_filter import parse_filter
from tests.pipelines.loading.tables import COLUMNS, rows, write_table


def test_rows_of_each_label_are_counted_over_all_files_of_the_split(tmp_path: Path) -> None:
    tables = [rows(300, seed=1), rows(200, seed=2, first_id=300)]
    write_table(tmp_path, {"train": tables, "validation": [rows(90)]})
    labels = np.concatenate([table.column("label").to_numpy() for table in tables])
    manifest = read_manifest(str(tmp_path), 0, COLUMNS)
    assert count_labels(manifest, "train") == (np.sum(labels == 0), np.sum(labels == 1))
    late = [parse_filter("x0 >= 250")]
    filtered = read_manifest(str(tmp_path), 0, COLUMNS, late)
    assert count_labels(filtered, "train") == (
        np.sum(labels[250:] == 0),
        np.sum(labels[250:] == 1),
    )


@pytest.mark.parametrize("label", [-1, 2])
def test_a_label_out_of_range_is_refused(tmp_path: Path, label: int) -> None:
    table = rows(10)
    index = table.schema.get_field_index("label")
    wrong = table.set_column(index, "label", [np.array([0, 1] * 4 + [1, label], np.int32)])
    write_table(tmp_path, {"train": [wrong]})
    with pytest.raises(TableError, match="expected labels from 0 to 1 in split 'train'; got"):
        count_labels(read_manifest(str(tmp_path), 0, COLUMNS), "train")
