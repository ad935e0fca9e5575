"""Copies of remote tables. The remote is a file:// address: what fetches is the same."""

import fcntl
from collections.abc import Iterator
from pathlib import Path

import pytest

from pipelines.errors import ParameterError, TableError
from pipelines.loading import table_cache
from pipelines.loading.manifest import read_manifest
from pipelines.loading.table_cache import fetch_table, release_tables
from tests.pipelines.loading.tables import COLUMNS, write_two_versions


@pytest.fixture(autouse=True)
def no_locks_left() -> Iterator[None]:
    yield
    release_tables()


def make(folder: Path, count: int = 100) -> str:
    return f"file://{write_two_versions(folder, count)}"


def data_files(folder: Path) -> set[str]:
    return {path.name for path in folder.rglob("*.parquet")}


def test_a_copy_holds_the_live_files_of_the_version_only(tmp_path: Path) -> None:
    url = make(tmp_path / "far")
    folder = fetch_table(url, 1, tmp_path / "cache", 10)
    assert read_manifest(folder, 1, COLUMNS).num_rows("train") == 200
    assert data_files(Path(folder)) == {"part-00001 1.parquet", "part-00007 1.parquet"}


def test_what_is_there_is_not_fetched_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = make(tmp_path / "far")
    fetched: list[str] = []
    real = table_cache._fetch

    def count(system: object, source: str, copy: Path, size: int) -> None:
        fetched.append(copy.name)
        real(system, source, copy, size)

    monkeypatch.setattr(table_cache, "_fetch", count)
    fetch_table(url, 0, tmp_path / "cache", 10)
    assert len([name for name in fetched if name.endswith("parquet")]) == 2
    fetched.clear()
    fetch_table(url, 0, tmp_path / "cache", 10)
    assert fetched == []
    fetch_table(url, 1, tmp_path / "cache", 10)
    assert fetched == [f"{1:020d}.json", "part-00007 1.parquet"]


def test_a_copy_that_was_cut_is_fetched_again(tmp_path: Path) -> None:
    url = make(tmp_path / "far")
    folder = fetch_table(url, 1, tmp_path / "cache", 10)
    copy = next(Path(folder).rglob("part-00007*"))
    copy.write_bytes(copy.read_bytes()[:100])
    fetch_table(url, 1, tmp_path / "cache", 10)
    assert read_manifest(folder, 1, COLUMNS).num_rows("train") == 200


def test_a_file_that_was_altered_is_refused_and_leaves_no_copy(tmp_path: Path) -> None:
    url = make(tmp_path / "far")
    file = next((tmp_path / "far").rglob("part-00007*"))
    file.write_bytes(file.read_bytes()[:-1])
    with pytest.raises(TableError, match=r"part-00007 1.parquet: expected \d+ bytes by the log"):
        fetch_table(url, 1, tmp_path / "cache", 10)
    assert "part-00007 1.parquet" not in data_files(tmp_path / "cache")
    assert not list((tmp_path / "cache").rglob("*.tmp"))


@pytest.mark.parametrize(
    ("url", "message"),
    [
        (
            "file:///nowhere/at/all",
            "file:///nowhere/at/all@v0: expected a Delta table; there is no",
        ),
        ("ftp://host/table", "expected a table that can be read; got Unrecognized filesystem"),
    ],
)
def test_a_table_that_is_not_there_is_one_clear_error(
    tmp_path: Path, url: str, message: str
) -> None:
    with pytest.raises(TableError, match=message):
        fetch_table(url, 0, tmp_path / "cache", 10)


def test_a_version_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(TableError, match="expected version 5"):
        fetch_table(make(tmp_path / "far"), 5, tmp_path / "cache", 10)


def test_a_table_that_does_not_fit_is_refused(tmp_path: Path) -> None:
    url = make(tmp_path / "far", 40_000)
    with pytest.raises(ParameterError, match=r"fit into 1 MB; .* 0\.0 MB .* 1\.\d MB are to come"):
        fetch_table(url, 0, tmp_path / "cache", 1)
    assert data_files(tmp_path / "cache") == set()


def test_the_table_that_was_used_longest_ago_gives_way(tmp_path: Path) -> None:
    far = [make(tmp_path / f"far{i}", 22_000) for i in range(3)]
    first, second = (Path(fetch_table(url, 0, tmp_path / "cache", 2)) for url in far[:2])
    with pytest.raises(ParameterError, match="that are in use"):
        fetch_table(far[2], 0, tmp_path / "cache", 2)
    release_tables()
    third = Path(fetch_table(far[2], 0, tmp_path / "cache", 2))
    assert not first.exists()
    assert len(data_files(second)) == len(data_files(third)) == 2


def test_a_table_that_another_process_reads_stays(tmp_path: Path) -> None:
    far = [make(tmp_path / f"far{i}", 22_000) for i in range(3)]
    first, second = (Path(fetch_table(url, 0, tmp_path / "cache", 2)) for url in far[:2])
    release_tables()
    with (first / ".in-use").open() as other:
        fcntl.flock(other, fcntl.LOCK_SH)
        fetch_table(far[2], 0, tmp_path / "cache", 2)
    assert first.exists()
    assert not second.exists()


def test_files_of_older_versions_give_way_first(tmp_path: Path) -> None:
    url, other = make(tmp_path / "far", 22_000), make(tmp_path / "other")
    kept = Path(fetch_table(other, 0, tmp_path / "cache", 2))
    folder = Path(fetch_table(url, 0, tmp_path / "cache", 2))
    release_tables()
    fetch_table(url, 1, tmp_path / "cache", 1)
    assert data_files(folder) == {"part-00001 1.parquet", "part-00007 1.parquet"}
    assert kept.exists()
