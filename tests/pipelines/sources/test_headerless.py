"""Files without a header, and rows without a key of their own."""

import hashlib
from datetime import UTC, datetime
from pathlib import Path

import pytest
from pyspark.sql import SparkSession

import pipelines.ingest as module
from pipelines.errors import ContractError
from pipelines.ingest import IngestParams, run
from pipelines.sources.inspect_files import inspect_files
from pipelines.sources.replays import REPLAYED, Settled, land_replay, take_replays, text_digest
from pipelines.tables.delta import read_table
from pipelines.tables.version import parse_version
from schemas.contract import Column
from tests.pipelines.sources.rides import source, spec

RIDES = source(
    columns=(
        Column("key", "string"),
        Column("name", "string", is_nullable=True),
        Column("fare", "double", is_nullable=True),
    ),
    content_key="key",
    primary_key=("key",),
    version_by=(),
    has_header=False,
)


def _write(path: Path, *lines: str) -> Path:
    path.write_text("".join(f"{line}\n" for line in lines))
    return path


def _key(*words: str) -> str:
    return hashlib.sha256("\x1f".join(words).encode()).hexdigest()[:32]


def test_the_first_line_is_a_row_and_equal_rows_of_one_file_share_a_key(
    spark: SparkSession, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "dataset", lambda _: spec(RIDES))
    paths = [
        _write(tmp_path / "a.csv", "Ann,1", "Bo,x", "Ann,1", '"Ann",1'),
        _write(tmp_path / "b.csv", "Ann,1", "NA,"),
    ]
    places = tuple(f"rides={path}" for path in paths)
    made = run(spark, IngestParams("rides", str(tmp_path / "lake"), places))
    fates = made.rows["rides"]
    assert (fates.read, fates.kept, fates.quarantined) == (6, 5, {"type:fare": 1})
    rows = sorted(map(tuple, read_table(spark, parse_version(made.tables[0])).collect()), key=str)
    ann = _key("a.csv", "Ann", "1")
    assert rows == sorted(
        [
            (ann, "Ann", 1.0, "a.csv", 1),
            (ann, "Ann", 1.0, "a.csv", 3),
            (ann, "Ann", 1.0, "a.csv", 4),
            (_key("b.csv", "Ann", "1"), "Ann", 1.0, "b.csv", 1),
            (_key("b.csv", "NA", ""), None, None, "b.csv", 2),
        ],
        key=str,
    )
    (aside,) = read_table(spark, parse_version(made.details["quarantine"])).collect()
    assert (aside["source_file"], aside["position"], aside["raw"]) == ("a.csv", 2, "Bo,x")


def test_all_lines_are_counted_and_a_header_is_refused(tmp_path: Path) -> None:
    path = _write(tmp_path / "a.csv", "Ann,1")
    ((file,), _) = inspect_files("d", RIDES, [path])
    assert file.num_rows == 1
    _write(path, "Name, fare", "Ann,1")
    with pytest.raises(ContractError, match=r"rows without a header.*\['Name', ' fare'\]. Take it"):
        inspect_files("d", RIDES, [path])
    path.write_text("\n")
    with pytest.raises(ContractError, match="the file is empty"):
        inspect_files("d", RIDES, [path])


def test_a_name_that_is_none_for_a_table_is_looked_for_in_the_header(tmp_path: Path) -> None:
    named = source(columns=(Column("ride_id", "int", header="ride-id"),), version_by=())
    path = _write(tmp_path / "a.csv", "ride-id", "1")
    assert inspect_files("d", named, [path])[0][0].num_rows == 1
    _write(path, "ride_id", "1")
    with pytest.raises(ContractError, match=r"expected a header with \['ride-id'\]"):
        inspect_files("d", named, [path])


def test_a_mended_row_comes_back_in_a_file_without_a_header(tmp_path: Path) -> None:
    ((file,), _) = inspect_files("d", RIDES, [_write(tmp_path / "a.csv", "Ann,1", "Bo,x")])
    said = text_digest("Bo,2")
    row = Settled("a.csv", file.digest, 2, "ingest", "type:fare", REPLAYED, None, said, "")
    at = datetime(2024, 1, 2, tzinfo=UTC)
    made = land_replay("d", RIDES, tmp_path / "replays", [(row, "Bo,2")], at)
    assert made.path.read_text() == "Bo,2\n"
    assert [item.mended_position for item in made.rows] == [1]
    taken = take_replays("d", RIDES, tmp_path / "replays", [file])
    assert [(item.name, item.num_rows) for item in taken.files] == [("~replay-0001.csv", 1)]
    assert taken.absent == ()
