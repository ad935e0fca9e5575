import gzip
import io
from pathlib import Path

import pytest

from pipelines.errors import ContractError
from pipelines.sources.count import check_enclosed, count_lines, count_records
from pipelines.sources.inspect_files import inspect_files
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


_SWALLOWED = [
    (b'1,"x,,,,\n2,y,,,,\n', "record 2, which ends in line 3: unexpected end of data"),
    (b'1,"x,,,,\n2,"y",,,,\n', "record 2, which ends in line 3: ',' expected after"),
    (b'1,"x,,,,\n2,y,,,,\n3,z",,,,\n', "each of the record's 3 lines has 6 fields"),
    (b'"0,1","x,,,,\n2,z",,,,\n', "each of the record's 2 lines has 6 fields"),
    (b"1,,,,,\n2" + b"," * 20_001 + b"\n", "record 3.*expected 6 fields; got 20,002"),
]


@pytest.mark.proves("B8", "B28")
@pytest.mark.parametrize(("text", "message"), _SWALLOWED)
def test_a_quote_that_swallows_rows_is_an_error(text: bytes, message: str) -> None:
    with pytest.raises(ContractError, match=message):
        count_records("t", io.BytesIO(HEADER + b"\n" + text), source(is_multiline=True))


_ENCLOSED = [
    (b'1,"one\n2,Bob,,,,\ntwo",,,,\n', "lines 2 to 4 are one"),
    (b'1,"one\r2,Bob,,,,\rtwo",,,,', "lines 2 to 4 are one"),
    (b'0,"",,,,\n1,"one\n2,""Bob"",,,,\n\ntwo","x\ny",,,', "lines 3 to 7 are one"),
]
_APART = [
    # the halves of one cell: each of them is malformed
    b'1,"one\ntwo",,,,\n',
    # an inch, and quotes that open and close nothing
    b'1,5" pipe,,,,\n2,Bob,,,,\n3,3" pipe,,,,\n',
    b'1,"one\n2,Bob,,,,\n3,"two",,,,\n',
    b'1,"one\n2,Bob,,,,\n3,Cy"x,,,,\n',
    b'1,"one\n2,Bob,,,,\n3,"two",,,,\n4,x",,,,\n',
]


@pytest.mark.proves("B7", "B8")
@pytest.mark.parametrize(("text", "message"), _ENCLOSED)
def test_lines_inside_one_quoted_cell_are_no_rows(text: bytes, message: str) -> None:
    for size in (1, 7, 1000):
        whole = HEADER + b"\n" + text
        chunks = [whole[i : i + size] for i in range(0, len(whole), size)]
        with pytest.raises(ContractError, match=message):
            check_enclosed("t", chunks, source())


@pytest.mark.proves("B9")
@pytest.mark.parametrize("text", _APART)
def test_a_quote_by_itself_hides_no_line(text: bytes) -> None:
    check_enclosed("t", [HEADER + b"\n" + text], source())


_UNFIT = [
    ("a.csv", b"", "the file is empty"),
    ("a.csv", b"\xef\xbb\xbf\n", "the file is empty"),
    ("a.csv", HEADER + b"\n", "a header only"),
    ("a.csv", (HEADER + b"\n" + GOOD).decode().encode("utf-16"), "UTF-16"),
    ("a.csv", HEADER + b'\n1,"a\n2,,,,,\nb",,,,', "lines 2 to 4 are one"),
    ("a.csv", gzip.compress(HEADER), "first bytes, 0x1f8b.*are gzip"),
    ("a.csv", b"PK\x03\x04....", "are zip"),
    ("a.csv", b"PAR1....", "are Parquet"),
    ("a.csv.gz", HEADER + b"\n1", "expected gzip, by its name.*are text"),
    ("a.csv.gz", gzip.compress(HEADER + b"\n" + GOOD * 2000)[:-30], "damaged gzip"),
    ("a.csv.gz", gzip.compress(HEADER + b"\n" + b"0" * 8_000_000), "unpacks to more than"),
]


@pytest.mark.proves("B18", "B22", "B29", "B30", "B31")
@pytest.mark.parametrize(("name", "content", "message"), _UNFIT)
def test_an_unfit_file_is_named(name: str, content: bytes, message: str, tmp_path: Path) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(ContractError, match=f"d: source rides: .*{name}.*{message}"):
        inspect_files("d", source(), [path])


@pytest.mark.proves("B35")
def test_a_file_given_twice_is_read_once_and_said(tmp_path: Path) -> None:
    first, copy = write(tmp_path / "a.csv", GOOD), write(tmp_path / "b.csv", GOOD)
    files, repeated = inspect_files("d", source(), [first, copy])
    assert [(file.name, file.num_rows) for file in files] == [("a.csv", 1)]
    assert repeated == (str(copy),)


@pytest.mark.proves("B35")
def test_two_files_of_one_name_have_no_order(tmp_path: Path) -> None:
    (tmp_path / "x").mkdir()
    paths = [write(tmp_path / "a.csv", GOOD), write(tmp_path / "x" / "a.csv", GOOD, GOOD)]
    with pytest.raises(ContractError, match=r"2 different files are named 'a\.csv'"):
        inspect_files("d", source(), paths)
