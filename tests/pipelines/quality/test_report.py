import json
from dataclasses import asdict, replace

from pipelines.quality.report import CheckOutcome, QualityReport, read_report

FAILED = CheckOutcome(
    rule="unique",
    columns=("city", "fare"),
    severity="error",
    success=False,
    expected="each key once",
    observed="2 of 4 rows that break it",
    unexpected_count=2,
    element_count=4,
    expectation="expect_compound_columns_to_be_unique",
    reason="one price a city",
    samples=({"city": "Oslo", "fare": 1.0},),
)
REPORT = QualityReport("lake/rides/raw/rides@v0", "rides.raw.rides", False, (FAILED,), "page.html")


def test_a_report_survives_json() -> None:
    assert read_report(json.loads(json.dumps(asdict(REPORT)))) == REPORT


def test_a_failed_check_says_rule_columns_expected_came_and_why() -> None:
    assert str(FAILED) == (
        "unique of city, fare: expected each key once; came 2 of 4 rows that break it "
        "(one price a city)"
    )


def test_a_failed_check_names_who_to_ask() -> None:
    assert str(replace(FAILED, owner="fares@rides")).endswith("(one price a city; ask fares@rides)")
    assert str(replace(FAILED, reason="", owner="fares@rides")).endswith("(ask fares@rides)")


def test_failed_checks_are_told_apart_by_severity() -> None:
    assert REPORT.failed("error") == (FAILED,)
    assert REPORT.failed("warning") == ()
