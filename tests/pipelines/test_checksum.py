"""Checksums beside a file, in the form that Hadoop's local file system keeps and verifies."""

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from pipelines.checksum import companion, protect, read_verified, verify
from pipelines.errors import TableError

if TYPE_CHECKING:
    from pyspark.sql import SparkSession


def _file(folder: Path, content: bytes) -> Path:
    path = folder / "part-0.parquet"
    path.write_bytes(content)
    return path


def test_the_form_is_hadoop_s(tmp_path: Path) -> None:
    path = _file(tmp_path, b"a" * 512 + b"b")
    protect(path)
    # CRC-32 of 512 times a, and of b
    expected = "63726300" + "00000200" + "f9517051" + "71beeff9"
    assert companion(path).read_bytes().hex() == expected
    assert companion(path).name == ".part-0.parquet.crc"


def test_checksums_that_spark_has_written_agree_and_ours_are_those(
    spark: "SparkSession", tmp_path: Path
) -> None:
    spark.range(5000).coalesce(1).write.parquet(str(tmp_path / "rows"))
    (path,) = (tmp_path / "rows").glob("*.parquet")
    verify(path)
    written = companion(path).read_bytes()
    companion(path).unlink()
    protect(path)
    assert companion(path).read_bytes() == written


@pytest.mark.parametrize("place", [0, 511, 512, 1024])
def test_an_altered_byte_is_refused_and_its_piece_is_named(tmp_path: Path, place: int) -> None:
    path = _file(tmp_path, bytes(1025))
    protect(path)
    with path.open("r+b") as file:
        file.seek(place)
        file.write(b"\1")
    with pytest.raises(TableError, match=rf"part-0\.parquet: .*from byte {place // 512 * 512} on"):
        read_verified(path)


@pytest.mark.parametrize("size", [0, 512, 1000, 2000])
def test_a_file_of_another_length_is_refused(tmp_path: Path, size: int) -> None:
    path = _file(tmp_path, bytes(1025))
    protect(path)
    path.write_bytes(bytes(size))
    with pytest.raises(TableError, match=r"part-0\.parquet: expected the bytes that were written"):
        verify(path)


def test_checksums_of_another_form_are_refused(tmp_path: Path) -> None:
    path = _file(tmp_path, b"a")
    companion(path).write_bytes(b"crc")
    with pytest.raises(TableError, match=r"expected checksums of part-0\.parquet in Hadoop's form"):
        verify(path)


def test_a_file_without_checksums_is_read_as_it_is_and_those_there_are_kept(tmp_path: Path) -> None:
    path = _file(tmp_path, b"a")
    assert read_verified(path) == b"a"
    companion(path).write_bytes(b"its writer's")
    protect(path)
    assert companion(path).read_bytes() == b"its writer's"
