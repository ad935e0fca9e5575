"""So many rows of each class: which ones, how often, and what is refused."""

from pathlib import Path

import pytest

from pipelines.errors import ParameterError
from pipelines.loading.dataset import Reading, load_split
from pipelines.loading.few_rows import keep_few
from pipelines.loading.label_counts import count_labels
from pipelines.loading.manifest import Manifest, read_manifest
from pipelines.loading.row_filter import parse_filter
from pipelines.world import World
from tests.pipelines.loading.tables import COLUMNS, rows, write_table


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("table")
    tables = [rows(100, seed=first, first_id=first) for first in (0, 100, 200)]
    return write_table(folder, {"train": tables, "validation": [rows(90)]})


def _read(folder: Path, *filters: str) -> Manifest:
    return read_manifest(str(folder), 0, COLUMNS, [parse_filter(text) for text in filters])


def _ids(manifest: Manifest) -> list[int]:
    split = load_split(manifest, "train", World(0, 1), Reading(48, 1, memory_mb=100))
    found = [
        int(x)
        for inputs, _, weight in split.batches(0)
        for x in inputs["numeric"].numpy()[weight.numpy() > 0, 0]
    ]
    split.close()
    return sorted(found)


def test_so_many_rows_of_each_class_are_drawn_with_the_seed(folder: Path) -> None:
    few = keep_few(_read(folder), 7, seed=1)
    assert count_labels(few, "train") == (7, 7)
    assert few.num_rows("train") == 14
    assert few.filtered["train"] == 300 - 14
    assert few.num_rows("validation") == 90
    drawn = _ids(few)
    assert len({*drawn}) == 14
    assert max(drawn) > 200  # not the first ones
    assert drawn == _ids(keep_few(_read(folder), 7, seed=1))
    assert drawn != _ids(keep_few(_read(folder), 7, seed=2))


def test_they_are_drawn_from_the_rows_that_match_the_filters(folder: Path) -> None:
    few = keep_few(_read(folder, "x0 >= 150"), 5, seed=1)
    drawn = _ids(few)
    assert len(drawn) == 10
    assert min(drawn) >= 150
    assert few.filtered["train"] == 300 - 10
    none = keep_few(_read(folder, "label = 1"), 5, seed=1)
    assert count_labels(none, "train") == (0, 5)


def test_more_than_a_class_has_is_refused(folder: Path) -> None:
    fewest = min(count_labels(_read(folder), "train"))
    with pytest.raises(ParameterError, match=f"--rows-per-class of at most {fewest}, what class"):
        keep_few(_read(folder), fewest + 1, seed=1)
    # none comes twice, or some were missing
    assert len({*_ids(keep_few(_read(folder), fewest, seed=1))}) == 2 * fewest
