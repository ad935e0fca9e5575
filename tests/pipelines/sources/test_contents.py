"""Files and records as rows: each byte where it belongs, each row with one fate."""

import hashlib
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from pyspark.sql import SparkSession

import pipelines.ingest as module
from pipelines.errors import LedgerError
from pipelines.ingest import IngestParams, run
from pipelines.sources.contents import read_contents
from pipelines.sources.inspect_files import inspect_files
from pipelines.step import StepResult
from pipelines.tables.delta import read_table
from pipelines.tables.version import parse_version
from schemas.contract import Source
from tests.pipelines.sources.pictures import FILES, RECORDS, spec, write_folder, write_tar

_GOOD = {"train/good/1.txt": b"fine", "test/bad/02.txt": b"\xff\x00,\n"}
_BAD = {
    "train/good/x.txt": b"a",
    "train/good/3.txt": b"",
    "train/good/4.txt": b"x" * 21,
    "urls.txt": b"http",
}


def _ingest(
    spark: SparkSession, monkeypatch: pytest.MonkeyPatch, source: Source, place: Path
) -> tuple[StepResult, list[dict[str, Any]]]:
    monkeypatch.setattr(module, "dataset", lambda _: spec(source))
    root = str(place.parent / "lake")
    made = run(spark, IngestParams("notes", root, (f"{source.name}={place}",)))
    rows = read_table(spark, parse_version(made.tables[0])).orderBy("_source_position").collect()
    return made, [row.asDict() for row in rows]


def _aside(spark: SparkSession, made: StepResult) -> list[tuple[str, str, str]]:
    rows = read_table(spark, parse_version(made.details["quarantine"])).orderBy("position")
    return [(row["rule"], row["raw"], row["detail"]) for row in rows.collect()]


def test_each_file_of_an_archive_is_a_row_with_one_fate(
    spark: SparkSession, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write_tar(tmp_path / "notes.tar", _GOOD | _BAD)
    made, rows = _ingest(spark, monkeypatch, FILES, path)
    fates = made.rows["notes"]
    assert (fates.read, fates.kept, fates.unexplained) == (6, 2, 0)
    assert fates.quarantined == {"type:number": 1, "empty_file": 1, "too_large": 1, "path": 1}
    first, second = rows
    assert first == {
        "path": "train/good/1.txt",
        "part": "train",
        "kind": "good",
        "number": 1,
        "num_bytes": 4,
        "digest": hashlib.sha256(b"fine").hexdigest(),
        "note": bytearray(b"fine"),
        "_source_file": "notes.tar",
        "_source_position": 1,
    }
    assert (second["number"], bytes(second["note"])) == (2, b"\xff\x00,\n")
    assert _aside(spark, made) == [
        ("type:number", "train/good/x.txt", "expected int; got 'x'"),
        ("empty_file", "train/good/3.txt", "expected content; the file has 0 bytes"),
        ("too_large", "train/good/4.txt", "expected at most 20 bytes; got 21"),
        (
            "path",
            "urls.txt",
            "expected a path of the form **/{part}/{kind}/{number}.txt, in UTF-8",
        ),
    ]


def test_a_folder_gives_the_rows_of_its_archive(
    spark: SparkSession, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made, rows = _ingest(spark, monkeypatch, FILES, write_folder(tmp_path / "notes", _GOOD | _BAD))
    assert (made.rows["notes"].read, made.rows["notes"].kept) == (6, 2)
    contents = {row["path"]: bytes(row["note"]) for row in rows}
    assert contents == _GOOD
    monkeypatch.setattr(module, "dataset", lambda _: spec(FILES))
    params = IngestParams("notes", str(tmp_path / "lake"), (f"notes={tmp_path / 'notes'}",))
    assert run(spark, params).is_reused
    (tmp_path / "notes" / "train" / "good" / "1.txt").write_bytes(b"Fine")
    assert not run(spark, params).is_reused


def test_a_content_that_is_text_must_be_utf8(
    spark: SparkSession, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    *others, note = FILES.columns
    text = replace(FILES, columns=(*others, replace(note, type="string")))
    files = {"a/b/1.txt": "\ufeffgrün\r\n".encode(), "a/b/2.txt": b"gr\xfcn"}
    made, rows = _ingest(spark, monkeypatch, text, write_tar(tmp_path / "notes.tar", files))
    assert made.rows["notes"].quarantined == {"encoding:note": 1}
    assert [row["note"] for row in rows] == ["grün\r\n"]


def test_records_are_cut_by_their_length_and_the_last_may_be_too_short(
    spark: SparkSession, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "some.bin"
    path.write_bytes(b"\x01abcd\x01\x00" + b"\xffefgh\x00\x02" + b"\x01abcd\x01\x00" + b"\x01ab")
    made, rows = _ingest(spark, monkeypatch, RECORDS, path)
    fates = made.rows["records"]
    assert (fates.read, fates.kept, fates.quarantined) == (4, 3, {"record_length": 1})
    told = [(row["label"], bytes(row["pixels"]), row["size"]) for row in rows]
    assert told == [(1, b"abcd", 256), (255, b"efgh", 2), (1, b"abcd", 256)]
    assert rows[0]["key"] == rows[2]["key"] != rows[1]["key"]
    assert _aside(spark, made) == [
        ("record_length", "from byte 21 on", "expected 7 bytes; the file ends after 3")
    ]


def test_a_file_that_came_meanwhile_stops_ingest(spark: SparkSession, tmp_path: Path) -> None:
    folder = write_folder(tmp_path / "notes", _GOOD)
    (files, _) = inspect_files("d", FILES, [folder])
    write_folder(folder, {"train/good/9.txt": b"late"})
    with pytest.raises(
        LedgerError, match="expected 2 rows, as it had when it was looked at; got 3"
    ):
        read_contents(spark, FILES, files)
