"""The file in which rows are mended: strict in what it takes back, private where it is written."""

import json
import stat
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from pipelines.errors import ParameterError
from pipelines.sources.mended import (
    MendedRow,
    check_text,
    read_mended,
    render_row,
    settle_rows,
    write_export,
)
from pipelines.sources.replays import text_digest
from tests.pipelines.sources.pictures import FILES
from tests.pipelines.sources.rides import source

# U+2028 ends a line to Python, and does not to JSON
_TEXT = "x,B\u2028b,1.5,,,"
ROW = MendedRow(
    source="rides",
    stage="ingest",
    rule="type:ride_id",
    detail="expected int; got 'x'",
    file="a.csv",
    digest="d1",
    position=3,
    was=text_digest(_TEXT),
    raw=_TEXT,
)


def _line(**changes: Any) -> str:
    names = MendedRow.__slots__
    return json.dumps({name: getattr(ROW, name) for name in names} | changes)


def test_an_export_is_read_back_and_is_its_owner_s_alone(tmp_path: Path) -> None:
    path = tmp_path / "out.jsonl"
    write_export(path, [ROW])
    assert read_mended(path) == [ROW]
    assert not ROW.is_mended
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    with pytest.raises(ParameterError, match=r"expected a new file; .*File exists"):
        write_export(path, [])
    assert read_mended(path) == [ROW]


_BAD_LINES = [
    ("{", "Expecting property name"),
    ("[]", "got list"),
    ('{"raw": "a", "raw": "b"}', r"the keys \['raw'\] come twice"),
    (_line(position=3.0), "position is 3.0"),
    (_line(position=True), "position is True"),
    (_line(position="3"), "position is '3'"),
    (_line(raw=5), "raw is 5"),
    (_line(colour="red"), "unexpected keyword argument 'colour'"),
    ("{}", "missing 9 required"),
    (_line(position=float("nan")), "NaN is no number"),
    (_line(raw="y", discard="no use"), "which of the two is meant"),
    (_line() + "\n" + _line(), r"a\.csv line 3 comes twice"),
    ("[" * 100_000, "maximum recursion depth"),
]


@pytest.mark.proves("B41")
@pytest.mark.parametrize(("text", "message"), _BAD_LINES)
def test_a_line_that_is_no_row_is_named(text: str, message: str, tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text(text + "\n")
    with pytest.raises(ParameterError, match=f"--rows: .*rows.jsonl line.*{message}"):
        read_mended(path)


def test_a_file_that_is_not_there_or_no_text_is_named(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    for content in (None, b"\xff"):
        if content:
            path.write_bytes(content)
        with pytest.raises(ParameterError, match="expected a file that --export wrote"):
            read_mended(path)


_TEXTS = [
    ("lines", "7,Bob,1.5,,,", ""),
    ("lines", '7,"Bob', ""),
    ("lines", "7,a\nb", "expected one line"),
    ("lines", "7,a\r", "expected one line"),
    ("lines", "7,a\0", "expected one line"),
    ("lines", " ", "raw is empty"),
    ("lines", "7,\ud800", "surrogates not allowed"),
    ("records", '7,"a\nb",1.5,,,', ""),
    ("records", "7,a\n8,b", "expected one row in raw; got 2"),
    ("records", '7,"a', "unexpected end of data"),
]


@pytest.mark.parametrize(("kind", "text", "message"), _TEXTS)
def test_a_mended_text_is_one_row(kind: str, text: str, message: str) -> None:
    said = source(is_multiline=kind == "records")
    row = MendedRow("rides", "ingest", "r", None, "a.csv", "d", 3, "", text)
    if message:
        with pytest.raises(ParameterError, match=rf"a\.csv line 3: .*{message}"):
            check_text(row, said)
    else:
        assert check_text(row, said) == text


def test_a_typed_row_is_written_as_its_source_would() -> None:
    cells = {"ride_id": 1, "name": 'a, "b"', "fare": 1e10, "day": "2024-01-02", "at": None}
    said = json.dumps(cells | {"phone": True, "_source_file": "a.csv"})
    assert render_row(said, source()) == '1,"a, ""b""",10000000000.0,2024-01-02,,true'
    assert render_row('{"at": null}', source(null_values=("NA",))) == "NA,NA,NA,NA,NA,NA"


_OPEN: dict[tuple[str, str, int], Mapping[str, Any]] = {
    ("a.csv", "d1", 3): {"stage": "ingest", "rule": "type:ride_id"}
}
_NOT_OPEN = [
    {"file": "b.csv"},
    {"digest": "d2"},
    {"position": 4},
    {"stage": "split"},
    {"rule": "x"},
]


@pytest.mark.parametrize("changes", _NOT_OPEN)
def test_a_row_that_is_not_open_can_t_be_mended(changes: dict[str, Any], tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text(_line(raw="7,Bob,1.5,,,", **changes) + "\n")
    with pytest.raises(ParameterError, match=r"expected open rows.*Export again"):
        settle_rows(read_mended(path), source(), (), _OPEN)


def test_a_row_that_is_bytes_is_given_up_and_never_mended_as_text() -> None:
    row = MendedRow("notes", "ingest", "empty_file", "d", "notes.tar", "x", 3, "0", "a/b/1.txt")
    with pytest.raises(ParameterError, match=r"notes\.tar line 3: expected a reason in discard"):
        check_text(row, FILES)
    assert render_row('{"path": "a", "number": 1}', FILES) == '{"path": "a", "number": 1}'
