"""Ingest by interval: the tables of one ingest of all, in whatever order, and no row twice."""

import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, replace
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest
from pyspark.sql import SparkSession

import pipelines.ingest as module
import pipelines.replay
import pipelines.validate
from pipelines.errors import ContractError, ParameterError
from pipelines.ingest import IngestParams, run
from pipelines.layout import Layout
from pipelines.quality.runner import Asked, check_table
from pipelines.replay import ReplayParams
from pipelines.step import StepResult
from pipelines.tables.delta import read_table
from pipelines.tables.live_files import live_paths
from pipelines.tables.measures_table import numbers_of
from pipelines.tables.version import parse_version
from schemas.contract import Check, Column, DatasetSpec, HashSplit, Label, Source
from schemas.derive import table_spec

RIDES = Source(
    "rides",
    "package:none/rides.csv",
    (Column("ride_id", "int"), Column("at", "timestamp"), Column("fare", "double")),
    ("ride_id",),
    time="at",
    interval="day",
    max_malformed_share=0.6,
    checks=(Check("between", ("fare",), minimum=0, mostly=0.5, severity="quarantine"),),
)
SHOPS = Source("shops", "package:none/shops.csv", (Column("shop", "string"),), ("shop",))
SPEC = DatasetSpec(
    "rides", "Rides", "Is it dear?", (RIDES,), Label("is_dear", "fare > 10"),
    HashSplit(("ride_id",)),
)  # fmt: skip
LINES = (
    "1,2024-03-01T00:00:00Z,1.0",
    "2,2024-03-03T23:59:59Z,2.0",
    "x,2024-03-02T10:00:00Z,3.0",  # malformed, but its day is known
    "4,2024-03-02T10:00:00Z,-1.0",  # breaks a check
    "5,2024-03-02T11:00:00Z,5.0",
    "6,yesterday,6.0",  # lies in no day
    "7;2024-03-02",
    "8,2024-03-01T12:00:00+14:00,8.0",  # the day before in UTC
    "",
)
DAYS = ("2024-02-29", "2024-03-01", "2024-03-02", "2024-03-03")
CHECKED = replace(
    SPEC,
    sources=(
        replace(
            RIDES,
            checks=(
                *RIDES.checks,
                Check("sum", ("fare",), maximum=1e3),
                Check("not_null", ("fare",)),
            ),
        ),
    ),
)
Ingest = Callable[..., StepResult]


@pytest.fixture
def ingest(spark: SparkSession, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Ingest:
    """Ingest one day, or all, of lines of rides; into the lake of that name."""
    monkeypatch.setattr(module, "dataset", lambda _: SPEC)
    shops = tmp_path / "shops.csv"
    shops.write_text("shop\na\n")
    # before: two ingests at once read the same files
    usual = _write(tmp_path, LINES)

    def ingest(
        day: str = "", lines: tuple[str, ...] = LINES, lake: str = "lake", more: str = ""
    ) -> StepResult:
        path = usual if lines is LINES else _write(tmp_path, lines, more)
        num_sources = len(module.dataset("rides").sources)
        places = (f"rides={path}", f"shops={shops}")[:num_sources]
        return run(spark, IngestParams("rides", str(tmp_path / lake), places, *span_of(day)))

    return ingest


def _write(folder: Path, lines: tuple[str, ...], more: str = "") -> Path:
    path = folder / f"rides-{len(lines)}.csv"
    path.write_text("\n".join((f"ride_id,at,fare{more}", *lines)) + "\n")
    return path


def span_of(day: str) -> tuple[str, ...]:
    """Give the flags' values of one day; none for all."""
    return (day, str(date.fromisoformat(day) + timedelta(days=1))) if day else ()


def _rows(spark: SparkSession, table: str) -> list[tuple[Any, ...]]:
    return sorted(map(tuple, read_table(spark, parse_version(table)).collect()), key=str)


def _aside(spark: SparkSession, result: StepResult) -> list[tuple[Any, ...]]:
    table = read_table(spark, parse_version(result.details["quarantine"]))
    return sorted(map(tuple, table.drop("run", "interval").collect()), key=str)


def test_intervals_in_any_order_make_the_tables_of_one_ingest_of_all(
    ingest: Ingest, spark: SparkSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "dataset", lambda _: replace(SPEC, sources=(RIDES, SHOPS)))
    whole = ingest(lake="whole")
    expected = whole.rows["rides"]
    made = {day: ingest(day) for day in (DAYS[2], DAYS[3], DAYS[0], DAYS[1])}
    last = made[DAYS[1]]
    assert _rows(spark, last.tables[0]) == _rows(spark, whole.tables[0])
    assert len(_rows(spark, last.tables[0])) == expected.kept == 4
    assert _rows(spark, last.tables[1]) == _rows(spark, whole.tables[1]) != []
    assert _aside(spark, last) == _aside(spark, whole)
    assert len(_aside(spark, whole)) == sum(expected.quarantined.values()) == 4
    fates = [item.rows["rides"] for item in made.values()]
    assert [(f.read, f.kept, f.unexplained) for f in fates] == [(9, 1, 0)] * 4
    assert [f.filtered["outside_interval"] for f in fates] == [3, 5, 5, 5]
    assert fates[0].quarantined == {**expected.quarantined}
    assert fates[1].quarantined == {"field_count": 1, "type:at": 1}
    again = ingest(DAYS[0])
    assert (again.is_reused, again.tables) == (True, made[DAYS[0]].tables)


def test_late_data_replace_their_interval_only_and_can_be_taken_back(
    ingest: Ingest, spark: SparkSession
) -> None:
    day = DAYS[3]
    first = ingest(DAYS[1])
    before = ingest(day)
    late = (
        *LINES,
        "9,2024-03-03T08:00:00Z,9.0",
        "1,2024-03-01T00:00:00Z,7.0",
        "z,2024-03-03T01:00:00Z,1.0",
    )
    changed = ingest(day, late)
    assert [row[0] for row in _rows(spark, changed.tables[0])] == [1, 2, 9]
    # the first day was not read again: its row is the old one
    assert _rows(spark, changed.tables[0])[0][2] == 1.0
    raws = {row[7] for row in _aside(spark, changed)}
    assert [raw for raw in raws if raw.startswith("z,")] == ["z,2024-03-03T01:00:00Z,1.0"]
    assert ingest(DAYS[1]).tables == first.tables
    back = ingest(day)
    assert not back.is_reused
    assert _rows(spark, back.tables[0]) == _rows(spark, before.tables[0])
    assert _aside(spark, back) == _aside(spark, before)


def test_a_run_that_was_killed_after_its_first_table_is_repeated(
    ingest: Ingest, spark: SparkSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = ingest(DAYS[1])

    def die(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(module, "write_quarantine", die)
        with pytest.raises(KeyboardInterrupt):
            ingest(DAYS[3])
    # who wrote the last version is not known yet: the day before is written again, the same
    again = ingest(DAYS[1])
    assert (again.is_reused, again.rows) == (False, first.rows)
    last = ingest(DAYS[3])
    assert not last.is_reused
    assert [row[0] for row in _rows(spark, last.tables[0])] == [1, 2]
    assert {row[7] for row in _aside(spark, last)} == {"6,yesterday,6.0", "7;2024-03-02"}
    assert len(_aside(spark, last)) == 2


def test_two_intervals_at_once_are_both_kept(ingest: Ingest, spark: SparkSession) -> None:
    with ThreadPoolExecutor(2) as pool:
        made = list(pool.map(ingest, (DAYS[1], DAYS[3])))
    last = max((item.tables[0] for item in made), key=lambda text: parse_version(text).version)
    assert [row[0] for row in _rows(spark, last)] == [1, 2]
    assert sorted(parse_version(item.tables[0]).version for item in made) == [0, 1]


_REFUSED = [
    (("2024-03-01", ""), "--interval-end: expected both ends .* got '2024-03-01' alone"),
    (("", "2024-03-01"), "--interval-start: expected both ends"),
    (("2024-03-02", "2024-03-02"), "--interval-end: expected a time after --interval-start"),
    (("2024-03-02", "2024-03-01"), "got 2024-03-02T00:00:00Z/2024-03-01T00:00:00Z"),
    (("monday", "2024-03-01"), "--interval-start: expected a time like .* got 'monday'"),
    (("0001-01-01T00:00:00+14:00", "2024-03-01"), "--interval-start: expected a time like"),
    (
        ("2024-03-01T00:00:00-05:00", "2024-03-02T00:00:00-05:00"),
        "--interval-start: expected the beginning of a day in UTC.* got 2024-03-01T05:00:00Z",
    ),
]


@pytest.mark.parametrize(("span", "message"), _REFUSED)
def test_a_bad_interval_is_refused_before_anything_is_read(
    span: tuple[str, str], message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "dataset", lambda _: SPEC)
    spark: Any = None
    with pytest.raises(ParameterError, match=message):
        run(spark, IngestParams("rides", str(tmp_path / "lake"), (), *span))
    assert list(tmp_path.iterdir()) == []


_UNFIT = [
    (replace(RIDES, interval=""), "no source of rides has intervals"),
    (replace(RIDES, time="fare"), "never null.* got 'fare', double"),
    (replace(RIDES, columns=(RIDES.columns[0], replace(RIDES.columns[1], is_nullable=True))),
     "got 'at', timestamp, nullable"),
]  # fmt: skip


@pytest.mark.parametrize(("source", "message"), _UNFIT)
def test_a_data_set_without_fit_times_has_no_intervals(
    source: Source, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "dataset", lambda _: replace(SPEC, sources=(source,)))
    spark: Any = None
    with pytest.raises(ParameterError, match=message):
        run(spark, IngestParams("rides", str(tmp_path), (), *span_of(DAYS[1])))


def test_rows_are_not_replaced_by_none_and_a_table_of_other_columns_is_refused(
    ingest: Ingest, spark: SparkSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = ingest(DAYS[1])
    with pytest.raises(ContractError, match=r"1 rows of .*rides@v0 would be gone"):
        ingest(DAYS[1], LINES[1:])
    empty = ingest("2024-03-09")
    assert empty.tables[0] == first.tables[0]
    assert empty.rows["rides"].kept == 0
    more = replace(RIDES, columns=(*RIDES.columns, Column("tip", "double", is_nullable=True)))
    monkeypatch.setattr(module, "dataset", lambda _: replace(SPEC, sources=(more,)))
    with pytest.raises(ContractError, match=r"ingest all of it once.*missing tip double"):
        ingest(DAYS[1], ("1,2024-03-01T00:00:00Z,1.0,2.0",), more=",tip")
    assert _rows(spark, first.tables[0])[0][0] == 1


def test_a_backfill_of_one_interval_reads_no_old_rows_to_be_checked(
    ingest: Ingest, spark: SparkSession, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pipelines.validate, "dataset", lambda _: CHECKED)
    monkeypatch.setattr(module, "dataset", lambda _: CHECKED)

    def validate(made: StepResult) -> dict[str, float | None]:
        table = made.tables[0]
        params = pipelines.validate.ValidateParams("rides", str(tmp_path / "lake"), (table,))
        assert pipelines.validate.run(spark, params).details["reports"][0]["success"]
        return numbers_of(Layout(str(tmp_path / "lake"), "rides"), parse_version(table))

    first = ingest(DAYS[1])
    validate(first)
    old = {path: path.read_bytes() for path in live_paths(parse_version(first.tables[0]))}
    changed = ingest(DAYS[3])
    fresh = {*live_paths(parse_version(changed.tables[0]))} - old.keys()
    assert (len(old), len(fresh)) == (1, 1)
    for path in old:
        path.write_bytes(b"who reads this fails")
    merged = validate(changed)
    for path, content in old.items():
        path.write_bytes(content)
    rows = read_table(spark, parse_version(changed.tables[0]))
    read = check_table(rows, table_spec(CHECKED, "raw", "rides"), Asked(changed.tables[0]))
    assert merged == read.numbers | {"quarantined": 2}
    assert (merged["rows"], merged["rows@2024-03-03"], merged["sum(fare)"]) == (2, 1, 3.0)


@pytest.mark.slow
def test_a_mended_row_is_taken_in_by_the_interval_it_lies_in(
    ingest: Ingest, spark: SparkSession, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pipelines.replay, "dataset", lambda _: SPEC)
    ingest(DAYS[1])
    ingest(DAYS[3])
    export, mended = tmp_path / "export.jsonl", tmp_path / "mended.jsonl"
    pipelines.replay.run(ReplayParams("rides", str(tmp_path / "lake"), export=str(export)))
    rows = [json.loads(line) for line in export.read_text().splitlines()]
    assert [row["raw"] for row in rows] == ["6,yesterday,6.0", "7;2024-03-02"]
    rows[0]["raw"] = "6,2024-03-01T06:00:00Z,6.0"
    mended.write_text("".join(json.dumps(row) + "\n" for row in rows))
    params = ReplayParams("rides", str(tmp_path / "lake"), rows=str(mended))
    pipelines.replay.run(params)
    again = [
        run(spark, IngestParams("rides", str(tmp_path / "lake"), **asdict(item)))
        for item in pipelines.replay.ingests_to_repeat(params)
    ]
    assert [made.rows["rides"].kept for made in again] == [2, 1]
    assert [made.rows["rides"].filtered["replayed"] for made in again] == [1, 1]
    assert [row[0] for row in _rows(spark, again[-1].tables[0])] == [1, 2, 6]
    aside = read_table(spark, parse_version(again[-1].details["quarantine"]))
    assert sorted(tuple(row) for row in aside.select("raw", "status").collect()) == [
        ("6,yesterday,6.0", "replayed"), ("7;2024-03-02", "open"),
    ]  # fmt: skip
