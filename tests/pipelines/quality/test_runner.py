import math
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from pyspark.sql import DataFrame, Observation, SparkSession
from pyspark.sql import functions as F

from pipelines.errors import ContractError
from pipelines.quality.measures import Numbers
from pipelines.quality.report import CheckOutcome, QualityReport
from pipelines.quality.riding import riding
from pipelines.quality.runner import Asked, Checked, check_table, run_stock
from schemas.contract import Check, Column, TableSpec
from tests.pipelines.quality.rides import COLUMNS, GOOD, Rows, make_rows, make_spec

TABLE = "lake/rides/raw/rides@v0"
ALL_CHECKS = (
    Check("columns"),
    Check("row_count", minimum=2, maximum=3),
    Check("not_null", ("ride_id", "city"), mostly=0.6),
    Check("unique", ("ride_id",)),
    Check("unique", ("city", "seats")),
    Check("between", ("fare",), minimum=0, maximum=100),
    Check("between", ("seats",), minimum=1),
    Check("in_set", ("city",), values=("Oslo", "Rome")),
    Check("in_set", ("seats",), values=(1, 2, 4)),
    Check("matches", ("rider",), pattern="^[a-z]+$"),
    Check("finite", ("fare",)),
    Check("length", ("rider",), minimum=3, maximum=3),
    Check("at_most", ("ride_id", "seats"), mostly=0.9),
    Check("distinct_count", ("city",), minimum=1, maximum=2),
    Check("sum", ("seats",), minimum=1, maximum=8),
    Check("mean", ("fare",), minimum=0, maximum=10),
    Check("quantile", ("seats",), quantile=0.5, minimum=1, maximum=2),
    Check("types", ("fare", "seats")),
    Check("sql", sql="fare >= 0 OR city <> 'Bonn'"),
    Check(
        "expectation",
        ("fare",),
        expectation="ExpectColumnMinToBeBetween",
        arguments=(("min_value", 0),),
    ),
)
BAD: Rows = [
    (1, "Ann", "Oslo", math.nan, 0),
    (1, "bob", "Oslo", 101.0, 0),
    (None, "eve9", "Bonn", -1.0, 9),
    (None, None, None, math.inf, None),
]
NULLS: Rows = [(None, None, None, None, None)] * 2
TABLES = {"good": GOOD, "bad": BAD, "empty": [], "null": NULLS}


def checked(rows: DataFrame, *checks: Check) -> Checked:
    """What comes of these checks when nothing of the table is known before."""
    return check_table(rows, make_spec(*checks), Asked(TABLE))


def report_of(rows: DataFrame, *checks: Check) -> QualityReport:
    """The report of these checks."""
    return checked(rows, *checks).report


def outcome(rows: DataFrame, check: Check) -> CheckOutcome:
    """The one outcome of ``check``; its suite also holds the row count."""
    return report_of(rows, check).checks[-1]


def ride(rows: DataFrame, spec: TableSpec) -> Numbers:
    """The numbers that a write of ``rows`` yields beside the table."""
    observation = Observation()
    numbers = riding(spec, rows)
    named = [item.aggregate.alias(f"n{place}") for place, item in enumerate(numbers.values())]
    rows.observe(observation, *named).write.format("noop").mode("overwrite").save()
    return {name: observation.get[f"n{place}"] for place, name in enumerate(numbers)}


ROW_RULES = [  # with the number of rows of BAD that break each
    (Check("not_null", ("city",)), 1),
    (Check("not_null", ("rider",), severity="warning"), 1),
    (Check("unique", ("ride_id",)), 2),
    (Check("unique", ("city", "seats")), 2),
    (Check("between", ("fare",), minimum=0, maximum=100), 4),
    (Check("between", ("fare",), minimum=0), 3),  # NaN and the infinities lie in no range
    (Check("between", ("fare",), maximum=100), 3),
    (Check("between", ("seats",), minimum=1), 2),
    (Check("finite", ("fare",)), 2),
    (Check("in_set", ("city",), values=("Oslo", "Rome")), 1),
    (Check("in_set", ("seats",), values=(0, 1, 4)), 1),
    (Check("matches", ("city",), pattern="^(Oslo|Rome)$"), 1),
    (Check("matches", ("rider",), pattern="^[a-z]+$"), 2),
    (Check("length", ("rider",), minimum=3, maximum=3), 1),
    (Check("length", ("rider",), maximum=3), 1),
    (Check("at_most", ("ride_id", "seats")), 2),  # of the two rows that have both
]


def test_row_rules_pass_on_good_rows_and_count_the_bad_ones(spark: SparkSession) -> None:
    checks = [check for check, _ in ROW_RULES]
    full = report_of(make_rows(spark, GOOD[:2]), *checks).checks[1:]
    bad = report_of(make_rows(spark, BAD), *checks).checks[1:]
    assert [(check.success, check.unexpected_count) for check in full] == [(True, 0)] * 16
    assert [check.unexpected_count for check in bad] == [count for _, count in ROW_RULES]
    assert {(check.success, check.element_count) for check in bad} == {(False, 4)}
    assert bad[0].observed == "1 of 4 rows that break it"


def test_nulls_break_only_the_rule_against_them(spark: SparkSession) -> None:
    found = report_of(make_rows(spark, NULLS), *(check for check, _ in ROW_RULES)).checks[1:]
    assert {check.rule for check in found if not check.success} == {"not_null"}


@pytest.mark.parametrize(
    ("check", "success", "observed"),
    [
        (Check("row_count", minimum=3, maximum=3), True, "3 rows"),
        (Check("row_count", minimum=4), False, "3 rows"),
        (Check("row_count", maximum=2), False, "3 rows"),
        (Check("columns"), True, "columns ride_id, rider, city, fare, seats"),
        (Check("columns", ("ride_id", "rider", "city", "seats", "fare")), False, None),
        (Check("columns", ("ride_id", "rider", "city", "fare")), False, None),
        (Check("distinct_count", ("city",), minimum=2, maximum=2), True, "2 distinct values"),
        (Check("distinct_count", ("seats",), minimum=3), False, "2 distinct values"),
        (Check("sum", ("seats",), minimum=5, maximum=5), True, "5"),
        (Check("sum", ("seats",), maximum=4.5), False, "5"),
        (Check("mean", ("fare",), minimum=1.75, maximum=1.75), True, "1.75"),
        (Check("mean", ("fare",), minimum=2), False, "1.75"),
    ],
)
def test_a_table_rule_holds_exactly(
    spark: SparkSession,
    check: Check,
    success: bool,  # noqa: FBT001
    observed: str | None,
) -> None:
    found = outcome(make_rows(spark, GOOD), check)
    assert found.success is success
    assert observed in (None, found.observed)


def test_a_table_without_values_has_no_sum_and_no_mean(spark: SparkSession) -> None:
    for check in (Check("sum", ("seats",), minimum=0), Check("mean", ("fare",), maximum=9)):
        found = outcome(make_rows(spark, NULLS), check)
        assert (found.success, found.observed) == (False, "no value")


def test_mostly_is_a_share_of_the_values_that_are_there(spark: SparkSession) -> None:
    rows = make_rows(
        spark, [*GOOD, (4, "cy", "Bonn", 1.0, 1)]
    )  # one of three cities is wrong, one null
    for mostly, success in ((0.66, True), (0.67, False)):
        check = Check("in_set", ("city",), values=("Oslo", "Rome"), mostly=mostly)
        assert outcome(rows, check).success is success


@pytest.mark.proves("F29")
def test_an_empty_table_fails_whatever_its_contract_asks(spark: SparkSession) -> None:
    report = report_of(make_rows(spark, []), Check("not_null", ("city",)))
    assert not report.success
    assert [check.rule for check in report.failed("error")] == ["row_count"]


def test_a_warning_stays_in_the_report_and_does_not_fail_it(spark: SparkSession) -> None:
    check = Check("between", ("fare",), maximum=1, severity="warning", reason="a dear ride")
    report = report_of(make_rows(spark, GOOD), check)
    assert report.success
    assert [str(found) for found in report.failed("warning")] == [
        "between of fare: expected at most 1; came 1 of 3 rows that break it (a dear ride)"
    ]


@pytest.mark.proves("F28")
def test_a_missing_column_closes_the_gate_and_leaves_the_other_checks_alone(
    spark: SparkSession,
) -> None:
    checks = (Check("not_null", ("city",)), Check("between", ("seats",), minimum=1))
    report = report_of(make_rows(spark, GOOD[:2]).drop("city"), *checks)
    assert [(check.rule, check.success) for check in report.checks] == [
        ("row_count", True),
        ("not_null", False),
        ("between", True),
    ]
    assert "city" in report.checks[1].error
    assert not report.success


@pytest.mark.proves("F28")
def test_an_error_in_spark_fails_only_the_check_that_meets_it(spark: SparkSession) -> None:
    raises = Check("sql", sql="CAST(city AS int) > 0")  # ANSI mode: Oslo is no number
    checks = (Check("finite", ("fare",)), raises, Check("unique", ("ride_id",)))
    report = report_of(make_rows(spark, GOOD), *checks)
    assert [check.success for check in report.checks] == [True, True, False, True]
    assert "CAST_INVALID_INPUT" in report.checks[2].error


def test_an_error_does_not_quote_a_personal_column(spark: SparkSession) -> None:
    check = Check("sql", sql="CAST(rider AS int) > 0")
    found = checked(make_rows(spark, [(1, "planted-name", "Oslo", 1.0, 1)]), check)
    assert not found.report.success
    assert "planted-name" not in f"{found.report} {found.result.to_json_dict()}"


def test_rows_that_cannot_be_read_fail_every_check_that_needs_them(spark: SparkSession) -> None:
    broken = make_rows(spark, GOOD).withColumn("fare", F.raise_error(F.lit("disk")).cast("double"))
    report = report_of(broken, Check("columns"), Check("finite", ("fare",)))
    assert not report.success
    assert "disk" in report.checks[-1].error


def test_samples_show_what_broke_the_rule(spark: SparkSession) -> None:
    rows = make_rows(spark, [*GOOD, (4, "cy", "Bonn", math.nan, 1), (4, "di", "Bonn", 2.0, 1)])
    assert outcome(rows, Check("finite", ("fare",))).samples == ("NaN",)
    assert outcome(rows, Check("unique", ("ride_id",))).samples == (4, 4)
    found = outcome(rows, Check("unique", ("city", "seats")))
    assert found.samples == ({"city": "Bonn", "seats": 1},) * 2


@pytest.mark.parametrize(
    "check",
    [
        Check("matches", ("rider",), pattern="x"),
        Check("unique", ("city", "rider")),
        Check("at_most", ("rider", "city")),
    ],
)
def test_samples_of_a_personal_column_are_masked(spark: SparkSession, check: Check) -> None:
    found = outcome(make_rows(spark, [*GOOD[:2], *GOOD[:2]]), check)
    assert (found.unexpected_count, found.samples) == (4, ("***",) * 4)


@pytest.mark.parametrize("name", TABLES)
def test_verdicts_and_counts_are_those_of_great_expectations(
    spark: SparkSession, name: str
) -> None:
    rows = make_rows(spark, TABLES[name])
    spec = make_spec(*ALL_CHECKS)
    # stock masks nothing
    spec = replace(spec, columns=tuple(replace(item, is_personal=False) for item in spec.columns))
    ridden = check_table(rows, spec, Asked(TABLE, known=ride(rows, spec)))
    alone = check_table(rows, spec, Asked(TABLE))
    stock = run_stock(ridden.suite, rows, TABLE)
    assert len(stock) == len(ridden.suite.expectations) == 23
    for ours, late, theirs in zip(ridden.result.results, alone.result.results, stock, strict=True):
        assert comparable(ours) == comparable(late) == comparable(theirs)


def comparable(item: Any) -> dict[str, Any]:
    """A result without what may differ: which bad rows are sampled first, and how they read.

    Rows that break a rule and do not fail it, as it holds for most, have samples in stock only.
    """
    result = dict(item.result)
    samples = result.pop("partial_unexpected_list", [])
    kept = {"samples": 0 if item.success else len(samples)}
    return {"success": item.success, "type": item.expectation_config.type, **result, **kept}


def test_what_rode_on_the_write_costs_no_job_and_all_the_rest_one(spark: SparkSession) -> None:
    rows = make_rows(spark, GOOD)
    plain = [Check("between", ("fare",), minimum=-number) for number in range(1, 41)]
    pairs = [Check("at_most", ("ride_id", name), mostly=0.1) for name in ("ride_id", "seats")]
    values = [Check("sum", ("seats",), minimum=1), Check("mean", ("fare",), minimum=0)]
    aggregates = [*plain, *pairs, *values]
    assert count_jobs(spark, rows, aggregates, ride(rows, make_spec(*aggregates))) == 0
    unique = [Check("unique", ("ride_id",)), Check("unique", ("city", "seats"))]
    others = [
        Check("distinct_count", ("city",), minimum=1),
        Check("quantile", ("fare",), quantile=0.9, maximum=10),
        Check("sql", sql="fare >= 0"),
        Check("increasing", ("ride_id", "ride_id")),
    ]
    every = [*aggregates, *unique, *others]
    assert count_jobs(spark, rows, every, ride(rows, make_spec(*every))) == 1
    assert count_jobs(spark, rows, every, {}) == 1


def test_samples_of_all_failed_checks_take_one_more_job(spark: SparkSession) -> None:
    failing = [Check("between", ("fare",), minimum=number) for number in range(1, 4)]
    rows = make_rows(spark, GOOD)
    assert count_jobs(spark, rows, failing, ride(rows, make_spec(*failing))) == 1
    personal = [Check("matches", ("rider",), pattern="x")]
    assert count_jobs(spark, rows, personal, ride(rows, make_spec(*personal))) == 0


def count_jobs(spark: SparkSession, rows: DataFrame, checks: list[Check], known: Numbers) -> int:
    """Jobs that one suite starts; without adaptive execution each query is one job."""
    context = spark.sparkContext
    spark.conf.set("spark.sql.adaptive.enabled", "false")
    group = f"checks-{len(checks)}-{len(known)}-{checks[0]}"
    context.setJobGroup(group, "count jobs")
    try:
        check_table(rows, make_spec(*checks), Asked(TABLE, known=known))
        return len(context.statusTracker().getJobIdsForGroup(group))
    finally:
        context.setLocalProperty("spark.jobGroup.id", None)  # pyright: ignore[reportArgumentType]
        spark.conf.unset("spark.sql.adaptive.enabled")


def test_a_column_of_another_type_does_not_ride_and_is_checked_all_the_same(
    spark: SparkSession,
) -> None:
    rows = make_rows(spark, GOOD).withColumn("fare", F.col("fare").cast("string"))
    spec = make_spec(Check("finite", ("fare",)), Check("between", ("seats",), maximum=4))
    known = ride(rows, spec)
    assert set(known) == {"rows", "nulls(seats)", 'between(seats) {"maximum": 4}'}
    report = check_table(rows, spec, Asked(TABLE, known=known)).report
    assert [check.success for check in report.checks] == [True, True, True]


def test_a_pattern_that_java_cannot_read_is_refused_before_the_write(spark: SparkSession) -> None:
    rows = make_rows(spark, GOOD)
    with pytest.raises(ContractError, match="a pattern that Java can read"):
        riding(make_spec(Check("matches", ("city",), pattern="(?P<name>x)")), rows)


def test_a_value_must_be_in_the_other_table(spark: SparkSession) -> None:
    cities = spark.createDataFrame([("Oslo",), (None,)], "name string")
    spec = make_spec(Check("in_table", ("city",), other="cities.name"))
    rows = make_rows(spark, GOOD)
    report = check_table(rows, spec, Asked(TABLE, others={"cities": cities})).report
    assert (report.success, report.checks[-1].samples) == (False, ("Rome",))
    assert report.checks[-1].observed == "1 rows that break it"
    both = spark.createDataFrame([("Oslo",), ("Rome",)], "name string")
    assert check_table(rows, spec, Asked(TABLE, others={"cities": both})).report.success
    absent = check_table(rows, spec, Asked(TABLE)).report
    assert "table cities was not given" in absent.checks[-1].error


def test_a_value_may_not_fall_as_another_grows(spark: SparkSession) -> None:
    check = Check("increasing", ("seats", "ride_id"))
    assert outcome(make_rows(spark, GOOD), check).success
    fallen = make_rows(spark, [*GOOD, (4, "cy", "Rome", 1.0, 3), (5, "di", "Rome", 1.0, 4)])
    assert outcome(fallen, check).observed == "1 values at which it falls"
    tied = make_rows(spark, [(1, None, None, None, 2), (1, None, None, None, 1)])
    assert outcome(tied, check).success


def test_newest_values_are_held_against_the_commit(spark: SparkSession) -> None:
    columns = (Column("seen_at", "timestamp", is_nullable=True),)
    check = Check("fresh", ("seen_at",), maximum=24)
    spec = TableSpec("rides", "raw", "rides", columns, (), (check,))
    rows = spark.sql("SELECT TIMESTAMP '2026-01-02 03:04:05' AS seen_at")
    known = ride(rows, spec)
    for hour, success in ((3, True), (4, False)):
        asked = Asked(TABLE, known, written_at=datetime(2026, 1, 3, hour, 4, 5, tzinfo=UTC))
        found = check_table(rows, spec, asked).report.checks[-1]
        assert (found.success, found.observed) == (success, "2026-01-02 03:04:05")


def test_bounds_may_be_relative_to_the_last_versions(spark: SparkSession) -> None:
    history: list[Numbers] = [{"rows": count} for count in (100, 2, 4)]
    rows = make_rows(spark, GOOD)
    for check, success in (
        (Check("row_count", last=2, minimum=0.9, maximum=1.1), True),
        (Check("row_count", last=2, maximum=0.9), False),
        (Check("row_count", last=3, minimum=0.5), False),
        (Check("row_count", last=2, sigmas=1), True),
        (Check("sum", ("seats",), last=2, sigmas=1), True),  # no version before has a sum
    ):
        asked = Asked(TABLE, history=history)
        found = check_table(rows, make_spec(check), asked).report.checks[-1]
        assert found.success is success, found
    assert found.expected == "any sum, as no version before has passed"


def test_every_column_of_the_contract_can_be_checked(spark: SparkSession) -> None:
    names = tuple(column.name for column in COLUMNS)
    assert len(report_of(make_rows(spark, GOOD), Check("not_null", names)).checks) == len(names) + 1
