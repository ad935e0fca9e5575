"""Ingest as a whole: rows by fate, nothing half-written, the same tables when run again."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from pyspark.sql import SparkSession

import pipelines.ingest as module
from pipelines.errors import ContractError, LedgerError, ParameterError
from pipelines.ingest import IngestParams, run
from pipelines.sources.inspect_files import SourceFile
from pipelines.sources.locate import locate
from pipelines.state import file_digest
from pipelines.step import StepResult
from pipelines.tables.delta import read_table
from pipelines.tables.quarantine import COLUMNS
from pipelines.tables.version import parse_version
from schemas.catalog import dataset
from schemas.contract import Column, DatasetSpec, Source
from tests.pipelines.sources.rides import GOOD, HEADER, source, spec, write

_SHOPS = Source("shops", "package:none/shops.csv", (Column("shop", "string"),), ("shop",))
Ingest = Callable[..., StepResult]


@pytest.fixture
def ingest(spark: SparkSession, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Ingest:
    def ingest(*places: str, said: DatasetSpec | None = None) -> StepResult:
        monkeypatch.setattr(module, "dataset", lambda _: said or spec())
        return run(spark, IngestParams("rides", str(tmp_path / "lake"), places))

    return ingest


def _rows(spark: SparkSession, table: str) -> list[tuple[Any, ...]]:
    return sorted(map(tuple, read_table(spark, parse_version(table)).collect()), key=str)


def test_every_row_has_one_fate_and_a_second_run_does_nothing(
    ingest: Ingest, spark: SparkSession, tmp_path: Path
) -> None:
    write(tmp_path / "b.csv", b"x,,,,,", b"", GOOD)
    place = f"rides={write(tmp_path / 'a.csv', GOOD, b'2,,,,,')}"
    first = ingest(place, f"rides={tmp_path}/b.csv")
    fates = first.rows["rides"]
    assert (fates.read, fates.kept, fates.unexplained) == (5, 3, 0)
    assert (fates.quarantined, fates.filtered) == ({"type:ride_id": 1}, {"blank": 1})
    table = read_table(spark, parse_version(first.tables[0]))
    names = [column.name for column in source().columns]
    assert table.columns == [*names, "_source_file", "_source_position"]
    again = ingest(place, f"rides={tmp_path}/b.csv")
    assert again.is_reused
    assert again.tables == first.tables


def test_quarantine_holds_raw_text_and_only_the_last_run_s_rows(
    ingest: Ingest, spark: SparkSession, tmp_path: Path
) -> None:
    path = write(tmp_path / "a.csv", GOOD, b"x,,,,,")
    first = ingest(f"rides={path}")
    expected = [
        ("rides", "rides", "ingest", "type:ride_id", "expected int; got 'x'", "a.csv", 3, "x,,,,,",
         first.fingerprint, "open", None, None, None, None, None,
         file_digest(path), None)
    ]  # fmt: skip
    assert _rows(spark, first.details["quarantine"]) == expected
    other = spark.createDataFrame([("rides", "rides", "validate", "r", "d", "f", 1, "w", "u")],
        COLUMNS.partition(", status")[0])  # fmt: skip
    other.write.format("delta").mode("append").option("mergeSchema", "true").save(
        str(tmp_path / "lake/rides/quarantine")
    )
    for record in (tmp_path / "lake/rides/steps").iterdir():
        record.unlink()
    second = ingest(f"rides={path}")
    assert not second.is_reused
    assert _rows(spark, second.tables[0]) == _rows(spark, first.tables[0])
    assert [row[2] for row in _rows(spark, second.details["quarantine"])] == ["ingest", "validate"]


_REFUSED: list[tuple[tuple[bytes, ...], str]] = [
    (
        (b"x,,,,,", b"2;3", GOOD),
        r"2 of 3 rows \(66\.7%\) are malformed.*field_count \(1 rows, first a\.csv line 3",
    ),
    ((b"x,,,,,",), r"1 of 1 rows \(100\.0%\)"),
    ((b"", b" "), "expected good rows; none of .*: 0 malformed, 2 blank"),
]


@pytest.mark.proves("B22", "B23")
@pytest.mark.parametrize(("lines", "message"), _REFUSED)
def test_a_source_that_is_mostly_bad_writes_no_table_of_any_source(
    lines: tuple[bytes, ...], message: str, ingest: Ingest, tmp_path: Path
) -> None:
    (tmp_path / "shops.csv").write_text("shop\na\n")
    path = write(tmp_path / "a.csv", *lines)
    with pytest.raises(ContractError, match=f"rides: source rides.*{message}"):
        ingest(f"rides={path}", f"shops={tmp_path}/shops.csv", said=spec(_SHOPS, source()))
    left = [path for path in (tmp_path / "lake").rglob("*") if path.is_file()]
    assert left == []


def test_an_all_malformed_source_fails_even_where_any_share_is_allowed(
    ingest: Ingest, tmp_path: Path
) -> None:
    path = write(tmp_path / "a.csv", b"x,,,,,")
    with pytest.raises(ContractError, match="expected good rows; none"):
        ingest(f"rides={path}", said=spec(source(max_malformed_share=1.0)))


@pytest.mark.proves("B14", "B22")
@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is empty"),
        (HEADER, "a header only"),
        (GOOD, "no header"),
        (b"ride_id,x\n1", "missing"),
    ],
)
def test_an_unfit_file_is_named(
    content: bytes, message: str, ingest: Ingest, tmp_path: Path
) -> None:
    (tmp_path / "a.csv").write_bytes(content)
    with pytest.raises(ContractError, match=f"rides: source rides: .*a.csv: .*{message}"):
        ingest(f"rides={tmp_path}/a.csv")
    assert not (tmp_path / "lake/rides/raw").exists()


def test_an_unknown_source_is_named(ingest: Ingest) -> None:
    with pytest.raises(ParameterError, match=r"expected NAME=PATH with a name among \['rides'\]"):
        ingest("ride=x")


@pytest.mark.proves("B8")
def test_a_row_lost_or_doubled_on_the_way_is_caught(
    ingest: Ingest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write(tmp_path / "a.csv", GOOD, b"2,,,,,")
    real = module.parse_records
    monkeypatch.setattr(module, "parse_records", lambda *a: real(*a).where("ride_id <> 2"))
    with pytest.raises(LedgerError, match="1 rows lost on the way in"):
        ingest(f"rides={path}")
    monkeypatch.setattr(module, "parse_records", lambda *a: real(*a).union(real(*a)))
    with pytest.raises(LedgerError, match="2 rows doubled on the way in"):
        ingest(f"rides={path}")
    # by the reader's count, before a table is written
    assert not (tmp_path / "lake" / "rides" / "raw").exists()


def test_empty_records_between_long_ones_are_counted(ingest: Ingest, tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", b'1,"a\nb",,,,', b"", GOOD)
    fates = ingest(f"rides={path}", said=spec(source(is_multiline=True))).rows["rides"]
    assert (fates.read, fates.kept, fates.filtered) == (3, 2, {"blank": 1})


def test_the_first_real_flights_are_all_kept(spark: SparkSession, tmp_path: Path) -> None:
    flights = dataset("flights")
    full = locate("flights", flights.main, (), tmp_path / "landing")[0]
    with full.open("rb") as file:
        head = [next(file) for _ in range(2001)]
    (tmp_path / "head.csv").write_bytes(b"".join(head))
    made = run(spark, IngestParams("flights", str(tmp_path), (f"flights={tmp_path}/head.csv",)))
    kept = {name: fates.kept for name, fates in made.rows.items()}
    assert kept == {"flights": 2000, "weather": 26115, "planes": 3322, "airports": 1458}
    first = read_table(spark, parse_version(made.tables[0])).where("_source_position = 2").first()
    assert first is not None
    assert (first["dep_delay"], first["carrier"], str(first["time_hour"])) == (
        2.0,
        "UA",
        "2013-01-01 10:00:00",
    )


@pytest.mark.proves("B35")
def test_files_are_part_of_the_step_s_name(ingest: Ingest, tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", GOOD)
    first = ingest(f"rides={path}")
    write(path, GOOD, b"2,,,,,")
    second = ingest(f"rides={path}")
    assert first.fingerprint != second.fingerprint
    assert SourceFile(**second.details["files"]["rides"][0]).num_rows == 2
