import gzip
import io
from pathlib import Path

import pytest

from pipelines.errors import ContractError
from pipelines.sources.inspect_files import count_lines, count_records, inspect_files
from tests.pipelines.sources.rides import GOOD, HEADER, source, write


@pytest.mark.parametrize(
    ("chunks", "lines"),
    [
        ([], 0),
        ([b"a"], 1),
        ([b"a\n"], 1),
        ([b"a\nb"], 2),
        ([b"a\r\nb\r\n"], 2),
        ([b"a\rb\rc"], 3),
        ([b"a\r", b"\nb"], 2),
        ([b"a\r", b"b"], 2),
        ([b"\n\n", b"\r\n"], 3),
        ([b"a\x85b\x0bc"], 1),
    ],
)
def test_lines_end_as_hadoop_ends_them(chunks: list[bytes], lines: int) -> None:
    assert count_lines(chunks) == lines


def test_a_record_may_hold_line_ends() -> None:
    text = b'a,b\r\n1,"x\r\ny"\r\n\r\n2,"q"""\r\n'
    assert count_records("t", io.BytesIO(text), source(is_multiline=True)) == (4, 1)


def test_a_quote_that_is_never_closed_is_an_error() -> None:
    with pytest.raises(ContractError, match="record 2, which ends in line 3"):
        count_records("t", io.BytesIO(b'a,b\n1,"x\n2,y\n'), source(is_multiline=True))


_UNFIT = [
    ("a.csv", b"", "the file is empty"),
    ("a.csv", b"\xef\xbb\xbf\n", "the file is empty"),
    ("a.csv", HEADER + b"\n", "a header only"),
    ("a.csv", gzip.compress(HEADER), "first bytes, 0x1f8b.*are gzip"),
    ("a.csv", b"PK\x03\x04....", "are zip"),
    ("a.csv", b"PAR1....", "are Parquet"),
    ("a.csv.gz", HEADER + b"\n1", "expected gzip, by its name.*are text"),
    ("a.csv.gz", gzip.compress(HEADER + b"\n" + GOOD * 2000)[:-30], "damaged gzip"),
    ("a.csv.gz", gzip.compress(HEADER + b"\n" + b"0" * 8_000_000), "unpacks to more than"),
]


@pytest.mark.parametrize(("name", "content", "message"), _UNFIT)
def test_an_unfit_file_is_named(name: str, content: bytes, message: str, tmp_path: Path) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(ContractError, match=f"d: source rides: .*{name}.*{message}"):
        inspect_files("d", source(), [path])


def test_a_file_given_twice_is_read_once_and_said(tmp_path: Path) -> None:
    first, copy = write(tmp_path / "a.csv", GOOD), write(tmp_path / "b.csv", GOOD)
    files, repeated = inspect_files("d", source(), [first, copy])
    assert [(file.name, file.num_rows) for file in files] == [("a.csv", 1)]
    assert repeated == (str(copy),)


def test_two_files_of_one_name_have_no_order(tmp_path: Path) -> None:
    (tmp_path / "x").mkdir()
    paths = [write(tmp_path / "a.csv", GOOD), write(tmp_path / "x" / "a.csv", GOOD, GOOD)]
    with pytest.raises(ContractError, match=r"2 different files are named 'a\.csv'"):
        inspect_files("d", source(), paths)
