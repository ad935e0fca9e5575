from datetime import UTC, datetime

import pytest
from great_expectations import ExpectationSuite

from pipelines.errors import ContractError
from pipelines.quality.checks import single_checks, suite_name
from pipelines.quality.expectations import build_suite
from schemas.contract import Check
from tests.pipelines.quality.rides import make_spec


def suite_of(*checks: Check) -> ExpectationSuite:
    """The suite of rides with these checks."""
    spec = make_spec(*checks)
    singles = single_checks(spec)
    return build_suite(suite_name(spec), singles, spec.columns, datetime.now(UTC))


def test_a_suite_is_named_after_its_table() -> None:
    assert suite_of(Check("columns")).name == "rides.raw.rides"


@pytest.mark.proves("F29")
def test_an_empty_suite_is_refused() -> None:
    with pytest.raises(ContractError, match="expected at least one check"):
        single_checks(make_spec())


def test_every_suite_asks_for_a_row() -> None:
    first = suite_of(Check("columns")).expectations[0]
    assert first.expectation_type == "expect_table_row_count_to_be_between"
    assert first.configuration.kwargs["min_value"] == 1


def test_equal_checks_become_one_with_the_greater_severity() -> None:
    warning = Check("not_null", ("city",), severity="warning", reason="seen in May")
    suite = suite_of(warning, Check("not_null", ("city",)))
    assert len(suite.expectations) == 2
    assert suite.expectations[1].severity == "critical"
    assert (suite.expectations[1].meta or {})["reason"] == "seen in May"


def test_severity_and_reason_travel_with_an_expectation() -> None:
    check = Check("finite", ("fare",), severity="warning", reason="a broken meter", mostly=0.9)
    made = suite_of(check).expectations[1]
    meta = made.meta or {}
    assert (made.severity, made.notes) == ("warning", "a broken meter")
    assert (meta["rule"], meta["severity"], meta["mostly"]) == ("finite", "warning", 0.9)


def test_an_expectation_that_is_unknown_is_refused() -> None:
    for name, arguments in (("ExpectNothing", ()), ("ExpectColumnMinToBeBetween", (("x", 1),))):
        check = Check("expectation", ("fare",), expectation=name, arguments=arguments)
        with pytest.raises(ContractError, match="Great Expectations can make"):
            suite_of(check)


@pytest.mark.parametrize(
    ("check", "expected"),
    [
        (Check("exotic", ("fare",)), "a rule of"),  # pyright: ignore[reportArgumentType]
        (Check("not_null", ("town",)), "columns among"),
        (Check("not_null"), "at least one column"),
        (Check("unique"), "at least one column"),
        (Check("finite", ("fare",), mostly=0.0), "mostly in"),
        (Check("between", ("fare",)), "minimum, maximum or both"),
        (Check("row_count"), "minimum, maximum or both"),
        (Check("in_set", ("city",)), "values"),
        (Check("matches", ("city",)), "a pattern"),
        (Check("length", ("city",)), "minimum, maximum or both"),
        (Check("sum", ("fare",)), "minimum, maximum or both"),
        (Check("at_most", ("fare",)), "two columns"),
        (Check("mean", ("fare",), maximum=9, mostly=0.9), "no mostly, as it is about"),
        (Check("between", ("city",), maximum=9), "columns of type int or"),
        (Check("in_set", ("city",), values=(1, 2)), "values of the column's type"),
        (Check("fresh", ("city",), maximum=9), "columns of type timestamp"),
        (Check("quantile", ("fare",), maximum=9), "a quantile in"),
        (Check("sql"), "a SQL expression"),
        (Check("in_table", ("city",), other="cities"), "other as table.column"),
        (Check("row_count", sigmas=3), "last of 1 or more"),
        (Check("expectation"), "the name of an expectation"),
        (Check("finite", ("fare",), severity="quarantine"), "a rule of single rows"),
        (Check("unique", ("fare",), severity="quarantine", mostly=0.9), "a rule of single rows"),
    ],
)
def test_an_incomplete_check_is_refused(check: Check, expected: str) -> None:
    with pytest.raises(ContractError, match=f"rides.raw.rides: expected {expected}"):
        single_checks(make_spec(check))
