import math
from typing import Any

import pytest
from great_expectations.execution_engine.sparkdf_execution_engine import SparkDFExecutionEngine
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from pipelines.quality.engine import FusedSparkEngine
from pipelines.quality.expectations import build_suite
from pipelines.quality.report import CheckOutcome
from pipelines.quality.runner import check_table, run_suite
from schemas.contract import Check
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
)
BAD: Rows = [
    (1, "Ann", "Oslo", math.nan, 0),
    (1, "bob", "Oslo", 101.0, 0),
    (None, "eve9", "Bonn", -1.0, 9),
    (None, None, None, math.inf, None),
]
NULLS: Rows = [(None, None, None, None, None)] * 2
TABLES = {"good": GOOD, "bad": BAD, "empty": [], "null": NULLS}


def outcome(rows: DataFrame, check: Check) -> CheckOutcome:
    """The one outcome of ``check``; its suite also holds the row count."""
    return check_table(rows, make_spec(check), TABLE).report.checks[-1]


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
    spec = make_spec(*(check for check, _ in ROW_RULES))
    full = check_table(make_rows(spark, GOOD[:2]), spec, TABLE).report.checks[1:]
    bad = check_table(make_rows(spark, BAD), spec, TABLE).report.checks[1:]
    assert [(check.success, check.unexpected_count) for check in full] == [(True, 0)] * 16
    assert [check.unexpected_count for check in bad] == [count for _, count in ROW_RULES]
    assert {(check.success, check.element_count) for check in bad} == {(False, 4)}
    assert bad[0].observed == "1 of 4 rows that break it"


def test_nulls_break_only_the_rule_against_them(spark: SparkSession) -> None:
    spec = make_spec(*(check for check, _ in ROW_RULES))
    found = check_table(make_rows(spark, NULLS), spec, TABLE).report.checks[1:]
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


def test_an_empty_table_fails_whatever_its_contract_asks(spark: SparkSession) -> None:
    report = check_table(
        make_rows(spark, []), make_spec(Check("not_null", ("city",))), TABLE
    ).report
    assert not report.success
    assert [check.rule for check in report.failed("error")] == ["row_count"]


def test_a_warning_stays_in_the_report_and_does_not_fail_it(spark: SparkSession) -> None:
    check = Check("between", ("fare",), maximum=1, severity="warning", reason="a dear ride")
    report = check_table(make_rows(spark, GOOD), make_spec(check), TABLE).report
    assert report.success
    assert [str(found) for found in report.failed("warning")] == [
        "between of fare: expected at most 1; came 1 of 3 rows that break it (a dear ride)"
    ]


def test_a_missing_column_closes_the_gate_and_leaves_the_other_checks_alone(
    spark: SparkSession,
) -> None:
    spec = make_spec(Check("not_null", ("city",)), Check("between", ("seats",), minimum=1))
    report = check_table(make_rows(spark, GOOD[:2]).drop("city"), spec, TABLE).report
    assert [(check.rule, check.success) for check in report.checks] == [
        ("row_count", True),
        ("not_null", False),
        ("between", True),
    ]
    assert "city" in report.checks[1].error
    assert not report.success


def test_an_error_in_spark_fails_only_the_check_that_meets_it(spark: SparkSession) -> None:
    wrong_type = Check("in_set", ("city",), values=(1, 2))  # ANSI mode: Oslo is no number
    spec = make_spec(Check("finite", ("fare",)), wrong_type, Check("unique", ("ride_id",)))
    report = check_table(make_rows(spark, GOOD), spec, TABLE).report
    assert [check.success for check in report.checks] == [True, True, False, True]
    assert "CAST_INVALID_INPUT" in report.checks[2].error


def test_an_error_does_not_quote_a_personal_column(spark: SparkSession) -> None:
    spec = make_spec(Check("in_set", ("rider",), values=(1, 2)))
    checked = check_table(make_rows(spark, [(1, "planted-name", "Oslo", 1.0, 1)]), spec, TABLE)
    assert not checked.report.success
    assert "planted-name" not in f"{checked.report} {checked.result.to_json_dict()}"


def test_rows_that_cannot_be_read_fail_every_check_that_needs_them(spark: SparkSession) -> None:
    broken = make_rows(spark, GOOD).withColumn("fare", F.raise_error(F.lit("disk")).cast("double"))
    spec = make_spec(Check("columns"), Check("finite", ("fare",)))
    report = check_table(broken, spec, TABLE).report
    assert not report.success
    assert "disk" in report.checks[-1].error


def test_samples_show_what_broke_the_rule(spark: SparkSession) -> None:
    rows = make_rows(spark, [*GOOD, (4, "cy", "Bonn", math.nan, 1), (4, "di", "Bonn", 2.0, 1)])
    assert outcome(rows, Check("finite", ("fare",))).samples == ("nan",)
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
def test_verdicts_and_counts_are_those_of_the_stock_engine(spark: SparkSession, name: str) -> None:
    rows = make_rows(spark, TABLES[name])
    suite = build_suite(make_spec(*ALL_CHECKS))
    fused = run_suite(suite, FusedSparkEngine(rows), rows, TABLE)
    stock = run_suite(suite, SparkDFExecutionEngine(persist=False), rows, TABLE)
    assert len(fused.results) == len(suite.expectations) == 18
    for ours, theirs in zip(fused.results, stock.results, strict=True):
        assert comparable(ours) == comparable(theirs)


def comparable(item: Any) -> dict[str, Any]:
    """A result without what may differ: which bad rows are sampled first, and how NaN reads."""
    result = dict(item.result)
    samples = result.pop("partial_unexpected_list", [])
    kept = {"samples": sorted(str(value) for value in samples), "config": item.expectation_config}
    return {"success": item.success, **result, **kept}


def test_a_passing_suite_takes_a_few_jobs_however_long_it_is(
    spark: SparkSession,
) -> None:
    rows = make_rows(spark, GOOD)
    many = [Check("between", ("fare",), minimum=-number) for number in range(1, 41)]
    unique = [Check("unique", ("ride_id",)), Check("unique", ("city", "seats"))]
    assert count_jobs(spark, rows, [*many[:3], unique[0]]) == 3
    assert count_jobs(spark, rows, [*many, *unique]) == 3
    values = [*many, *unique, *ALL_CHECKS[-3:]]
    assert count_jobs(spark, rows, values) == 3
    pairs = [Check("at_most", ("ride_id", name)) for name in ("ride_id", "seats")]
    assert count_jobs(spark, rows, [*values, *pairs]) == 4


def test_a_failed_check_takes_one_more_job_for_its_samples(
    spark: SparkSession,
) -> None:
    failing = Check("between", ("fare",), minimum=1)
    assert count_jobs(spark, make_rows(spark, GOOD), [failing]) == 3
    personal = Check("matches", ("rider",), pattern="x")
    assert count_jobs(spark, make_rows(spark, GOOD), [personal]) == 2


def count_jobs(spark: SparkSession, rows: DataFrame, checks: list[Check]) -> int:
    """Jobs that one suite starts; without adaptive execution each query is one job."""
    context = spark.sparkContext
    spark.conf.set("spark.sql.adaptive.enabled", "false")
    group = f"checks-{len(checks)}-{checks[0]}"
    context.setJobGroup(group, "count jobs")
    try:
        check_table(rows, make_spec(*checks), TABLE)
        return len(context.statusTracker().getJobIdsForGroup(group))
    finally:
        context.setLocalProperty("spark.jobGroup.id", None)  # pyright: ignore[reportArgumentType]
        spark.conf.unset("spark.sql.adaptive.enabled")


def test_every_column_of_the_contract_can_be_checked() -> None:
    names = tuple(column.name for column in COLUMNS)
    suite = build_suite(make_spec(Check("not_null", names)))
    assert len(suite.expectations) == len(names) + 1
