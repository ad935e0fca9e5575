"""Values of personal columns in results, pages and messages."""

import json
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from pyspark.sql import SparkSession

from pipelines.quality.masking import masked_error
from pipelines.quality.runner import Asked, check_table
from pipelines.quality.store import store_results
from pipelines.spark.schema import struct_type
from schemas.contract import Check, Column, TableSpec

COLUMNS = (
    Column("ride_id", "long"),
    # capitals, which SQL does not tell apart
    Column("Email", "string", is_nullable=True, is_personal=True),
    Column("born", "date", is_nullable=True, is_personal=True),
    Column("income", "double", is_nullable=True, is_personal=True),
)
SECRETS = ("ada@example.org", "bob@example.org", "1815-12-10", "-10676", "71234.5", "-4862")
ROWS = [
    (1, "ada@example.org", date(1815, 12, 10), 71234.5),
    (1, "bob@example.org", date(1815, 12, 10), 71234.5),
]


def _expectation(name: str, **arguments: str | float) -> Check:
    return Check("expectation", expectation=name, arguments=tuple(arguments.items()))


CHECKS = (
    Check("fresh", ("born",), maximum=1),
    Check("quantile", ("income",), minimum=0, maximum=1, quantile=0.5),
    Check("matches", ("Email",), pattern="^$"),
    Check("in_set", ("Email",), values=("x",)),
    Check("length", ("Email",), maximum=3),
    Check("unique", ("ride_id", "income")),
    Check("sql", sql="EMAIL = ''"),
    Check("sql", sql="cast(email as int) > 0"),
    _expectation("ExpectColumnMaxToBeBetween", column="income", max_value=1),
    _expectation("ExpectColumnValuesToMatchRegex", column="Email", regex="^$"),
    _expectation("ExpectColumnPairValuesToBeEqual", column_A="Email", column_B="Email"),
    Check("expectation", expectation="ExpectColumnMinToBeBetween",
          arguments=(("column", "Email"), ("min_value", 3))),
)  # fmt: skip


@pytest.fixture(scope="module")
def pages(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory) -> tuple[Any, Path]:
    """A table that breaks all of its checks, its report and all that Great Expectations keeps."""
    folder = tmp_path_factory.mktemp("quality")
    rows = spark.createDataFrame(ROWS, struct_type(COLUMNS)).coalesce(1)
    spec = TableSpec("rides", "raw", "rides", COLUMNS, ("ride_id",), CHECKS)
    checked = check_table(rows, spec, Asked("rides@v0"))
    store_results([checked], folder)
    return checked.report, folder


@pytest.mark.proves("S22")
def test_no_value_of_a_personal_column_is_in_the_report(pages: tuple[Any, Path]) -> None:
    report, _ = pages
    said = " ".join(map(repr, report.checks)) + " ".join(map(str, report.checks))
    assert [secret for secret in SECRETS if secret in said] == []
    # the report still says how many
    failed = {(check.rule, check.expectation): check for check in report.failed("error")}
    matched = failed[("expectation", "expect_column_values_to_match_regex")]
    assert (matched.unexpected_count, matched.samples) == (2, ("***", "***"))
    observed = [check.observed for check in report.checks if check.rule in ("fresh", "quantile")]
    assert observed == ["a value that is not shown: a column is personal"] * 2
    assert len(failed) >= 10


def test_no_value_of_a_personal_column_is_drawn_as_a_line(spark: SparkSession) -> None:
    rows = spark.createDataFrame(ROWS, struct_type(COLUMNS)).coalesce(1)
    spec = TableSpec("rides", "raw", "rides", COLUMNS, ("ride_id",), CHECKS)
    found = check_table(rows, spec, Asked("rides@v0", shown=[{"quantile(income) 0.5": 71234.5}]))
    said = repr(found.traces)
    assert [secret for secret in (*SECRETS, "-4862") if secret in said] == []
    assert "length(Email)" in said


@pytest.mark.proves("S22")
def test_no_value_of_a_personal_column_is_in_results_and_data_docs(
    pages: tuple[Any, Path],
) -> None:
    _, folder = pages
    written = [path for path in folder.rglob("*") if path.is_file()]
    kept = [path.name for path in written if path.suffix in (".json", ".html")]
    assert len(kept) >= 4
    found = [
        f"{path.name}: {secret}"
        for path in written
        for secret in SECRETS
        if secret in path.read_text(errors="replace")
    ]
    assert found == []


@pytest.mark.proves("S22")
def test_an_error_that_may_quote_a_personal_column_is_not_shown() -> None:
    error = ValueError("The value 'ada@example.org' is malformed")
    personal = frozenset({"Email"})
    assert "ada" not in masked_error('sql() {"sql": "cast(email as int)"}', error, personal)
    assert "ada" in masked_error("between(fare)", error, personal)


def test_what_is_not_personal_is_shown(spark: SparkSession) -> None:
    columns = tuple(replace(column, is_personal=False) for column in COLUMNS)
    rows = spark.createDataFrame(ROWS, struct_type(columns)).coalesce(1)
    spec = TableSpec("rides", "raw", "rides", columns, ("ride_id",), CHECKS[:2])
    said = json.dumps(
        [check.observed for check in check_table(rows, spec, Asked("t")).report.checks]
    )
    assert "71234.5" in said
    assert "1815-12-10" in said
