"""Numbers of each interval: merged they are those of the whole, and old rows are not read again."""

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pyspark.sql import DataFrame, SparkSession

from pipelines.errors import ContractError
from pipelines.layout import Layout
from pipelines.quality.intervals import by_interval, can_merge, gaps, interval_names, merge
from pipelines.quality.measures import Numbers
from pipelines.quality.report import CheckOutcome
from pipelines.quality.runner import Asked, check_table
from pipelines.tables.delta import read_table
from pipelines.tables.measures_table import keep_numbers, last_versions
from pipelines.tables.version import TableVersion
from schemas.contract import Check, Column, TableSpec
from schemas.interval import Interval, read_span

COLUMNS = (Column("at", "timestamp", is_nullable=True), Column("fare", "double", is_nullable=True))
CHECKS = (
    Check("not_null", ("fare",), mostly=0.5),
    Check("between", ("fare",), minimum=0),
    Check("sum", ("fare",), minimum=1, maximum=30),
    Check("mean", ("fare",), minimum=1),
    Check("fresh", ("at",), maximum=1e6),
    Check("row_count", minimum=4, maximum=8),
)
MONTHS: Sequence[tuple[str | None, float | None]] = [
    ("2026-01-03", 1.0),
    ("2026-01-31", 2.0),
    ("2026-02-01", None),
    ("2026-02-09", 5.0),
    ("2026-03-01", 9.0),
    (None, 4.0),
]


def spec_of(*checks: Check, every: Any = "month") -> TableSpec:
    return TableSpec("rides", "raw", "rides", COLUMNS, (), checks, Interval("at", every))


def frame(spark: SparkSession, rows: Sequence[tuple[str | None, float | None]]) -> DataFrame:
    made = [(day and datetime.fromisoformat(day).replace(tzinfo=UTC), fare) for day, fare in rows]
    return spark.createDataFrame(made, "at timestamp, fare double").coalesce(1)


def outcomes(rows: DataFrame, *checks: Check, every: str = "month") -> tuple[CheckOutcome, ...]:
    return check_table(
        rows, spec_of(*checks, every=every), Asked("lake/rides/raw/rides@v0")
    ).report.checks[1:]


NAMES = ("rows", "nulls(fare)", "sum(fare)", "newest(at)")
PART = st.fixed_dictionaries({name: st.none() | st.integers(-(10**12), 10**12) for name in NAMES})


@settings(max_examples=60, deadline=None)
@given(st.lists(PART, max_size=6), st.integers(0, 6))
def test_merging_merged_parts_is_merging_all(parts: list[dict[str, Any]], cut: int) -> None:
    whole = merge(parts)
    assert merge([merge(parts[:cut]), merge(parts[cut:])]) == whole
    assert merge(reversed(parts)) == whole
    for name in NAMES if parts else ():
        values = [part[name] for part in parts if part[name] is not None]
        made = max if name.startswith("newest") else sum
        assert whole[name] == (made(values) if values else None)


def test_intervals_merge_to_the_numbers_of_the_whole_table(spark: SparkSession) -> None:
    found = check_table(frame(spark, MONTHS), spec_of(*CHECKS), Asked("lake/rides/raw/rides@v0"))
    states = by_interval(found.numbers)
    assert {name: part["rows"] for name, part in states.items()} == {
        "2026-01": 2, "2026-02": 2, "2026-03": 1, "none": 1,
    }  # fmt: skip
    whole = merge(states.values())
    assert len(whole) == 7
    assert whole == {name: found.numbers[name] for name in whole}


def test_a_backfill_reads_only_the_interval_that_was_written_again(
    spark: SparkSession, tmp_path: Path
) -> None:
    layout = Layout(str(tmp_path), "rides")
    path = layout.table("raw", "rides")
    # statistics by file, which tables of ours do without, let Spark pass over whole files
    later = frame(spark, MONTHS[2:5]).write.format("delta")
    later.option("delta.dataSkippingNumIndexedCols", "32").save(path)
    frame(spark, MONTHS[:2]).write.format("delta").mode("append").save(path)
    table = TableVersion(path, 1)
    before = check_table(read_table(spark, table), spec_of(*CHECKS), Asked(str(table)))
    assert before.report.success
    keep_numbers(layout, table, before.numbers, passed=True)
    (kept,) = last_versions(layout, TableVersion(path, 2), 1, 1)
    january = "at >= '2026-01-01' AND at < '2026-02-01'"
    again = frame(spark, [("2026-01-07", 50.0), ("2026-01-08", 30.0), ("2026-01-09", 1.0)])
    again.write.format("delta").mode("overwrite").option("replaceWhere", january).save(path)
    rows = read_table(spark, TableVersion(path, 2))
    expected = check_table(rows, spec_of(*CHECKS), Asked(f"{path}@v2"))
    _lose_files_of(spark, path, TableVersion(path, 0))
    asked = Asked(f"{path}@v2", states=kept.numbers, changed=frozenset({"2026-01"}))
    found = check_table(rows, spec_of(*CHECKS), asked)
    assert found.report == expected.report
    assert found.numbers == expected.numbers
    (failed,) = found.report.failed("error")
    assert (failed.rule, failed.observed) == ("sum", "95")


def test_states_of_other_checks_or_of_other_intervals_are_not_merged(spark: SparkSession) -> None:
    asked = Asked("lake/rides/raw/rides@v0")
    states = check_table(frame(spark, MONTHS), spec_of(*CHECKS), asked).numbers
    month = Interval("at", "month")
    assert can_merge(states, CHECKS, month)
    assert not can_merge(states, (*CHECKS, Check("sum", ("tip",))), month)
    assert not can_merge(states, CHECKS, Interval("at", "day"))
    assert not can_merge({"rows": 6}, CHECKS, month)
    # so all rows are read, whatever the states say
    wrong: Numbers = {name: 1_000 for name in states if "between" not in name}
    asked = Asked("lake/rides/raw/rides@v0", states=wrong, changed=frozenset({"2026-01"}))
    assert check_table(frame(spark, MONTHS), spec_of(*CHECKS), asked).numbers == states


@pytest.mark.parametrize(
    ("span", "every", "names"),
    [
        ("2026-11-01T00:00:00Z/2027-02-01T00:00:00Z", "month", {"2026-11", "2026-12", "2027-01"}),
        ("2024-02-28T00:00:00Z/2024-03-01T00:00:00Z", "day", {"2024-02-28", "2024-02-29"}),
        ("2024-02-29T23:00:00Z/2024-03-01T00:00:00Z", "hour", {"2024-02-29T23"}),
    ],
)
def test_a_span_has_the_names_of_its_intervals(span: str, every: Any, names: set[str]) -> None:
    assert interval_names(read_span(span), every) == names


def _lose_files_of(spark: SparkSession, path: str, table: TableVersion) -> None:
    """Who reads the rows of an old interval now fails."""
    files = read_table(spark, table).inputFiles()
    assert len(files) == 1
    for name in files:
        Path(urlsplit(name).path).unlink()


def test_an_interval_without_rows_is_missing(spark: SparkSession) -> None:
    rows = frame(spark, [*MONTHS, ("2026-06-30", 1.0)])
    (strict, soft) = outcomes(rows, Check("no_gaps"), Check("no_gaps", maximum=2))
    assert (strict.success, strict.observed) == (False, "2 intervals without rows")
    assert soft.success
    (daily,) = outcomes(frame(spark, MONTHS[:2]), Check("no_gaps"), every="day")
    assert daily.observed == "27 intervals without rows"


@pytest.mark.parametrize(
    ("present", "every", "missing"),
    [
        (["2025-11", "2026-02"], "month", ("2025-12", "2026-01")),
        (["2026-02-28", "2026-03-01", "none"], "day", ()),
        (["2026-01-01T23", "2026-01-02T01"], "hour", ("2026-01-02T00",)),
        ([], "day", ()),
    ],
)
def test_gaps_follow_the_calendar(present: list[str], every: str, missing: tuple[str, ...]) -> None:
    assert gaps(present, every) == missing


def test_the_newest_interval_is_held_to_those_before_it(spark: SparkSession) -> None:
    days = [(f"2026-01-0{day}", 1.0) for day in (1, 2, 3, 4) for _ in range(day % 2 + 2)]
    check = Check("row_count", interval="newest", last=4, sigmas=3)
    growth = Check("sum", ("fare",), interval="newest", last=1, maximum=1.5)
    good = outcomes(frame(spark, days), check, growth, every="day")
    assert [item.success for item in good] == [True, True]
    assert good[0].observed == "2 rows"
    bad = outcomes(frame(spark, [*days, *[("2026-01-05", 1.0)] * 9]), check, growth, every="day")
    assert [item.success for item in bad] == [False, False]
    assert bad[0].expected.endswith(
        "rows in the newest interval, 2026-01-05, by the last 4 intervals before it"
    )
    assert bad[1].observed == "9"


def test_sudden_growth_of_a_table_is_a_check_against_the_last_version(spark: SparkSession) -> None:
    growth = Check("row_count", last=1, minimum=0.5, maximum=2)
    rows = frame(spark, MONTHS)
    for before, success in ((3, True), (2, False), (12, True), (13, False)):
        asked = Asked("lake/rides/raw/rides@v1", history=[{"rows": 99}, {"rows": before}])
        found = check_table(rows, spec_of(growth), asked).report.checks[-1]
        assert found.success is success, before


@pytest.mark.parametrize(
    "check",
    [
        Check("row_count", minimum=1, interval="oldest"),
        Check("distinct_count", ("fare",), minimum=1, interval="newest"),
    ],
)
def test_only_what_can_be_had_of_an_interval_is_asked(spark: SparkSession, check: Check) -> None:
    with pytest.raises(ContractError, match='interval "newest" of a rule of'):
        outcomes(frame(spark, MONTHS), check)


def test_an_interval_needs_a_time(spark: SparkSession) -> None:
    spec = TableSpec("rides", "raw", "rides", COLUMNS, (), (Check("no_gaps"),))
    with pytest.raises(ContractError, match="a table with a time, and an interval"):
        check_table(frame(spark, MONTHS), spec, Asked("lake/rides/raw/rides@v0"))
