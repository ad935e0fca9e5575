import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import great_expectations
import pytest
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from pipelines.errors import ContractError
from pipelines.quality.checks import single_checks
from pipelines.quality.distance import chi_square, jensen_shannon, kolmogorov_smirnov, psi
from pipelines.quality.distribution import ExpectColumnDistributionToMatch
from pipelines.quality.measures import Numbers
from pipelines.quality.report import CheckOutcome
from pipelines.quality.runner import Asked, Checked, check_table, run_stock
from pipelines.quality.store import store_results
from schemas.contract import Check, Column, TableSpec
from tests.pipelines.quality.rides import make_spec
from tests.pipelines.quality.test_runner import TABLE, comparable, ride

COLUMNS = (
    Column("ride_id", "long", is_nullable=True),
    Column("rider", "string", is_nullable=True, is_personal=True),
    Column("city", "string", is_nullable=True),
    Column("fare", "double", is_nullable=True),
    Column("split", "string", is_nullable=True),
)
INF = math.inf
FARES = ((1.0, 0.25), (2.0, 0.25), (3.0, 0.25), (INF, 0.25))
CITIES = (("Oslo", 0.5), ("Rome", 0.3), (None, 0.1))
STATED = (
    Check("distribution", ("fare",), measure="psi", maximum=0.1, fractions=FARES),
    Check("distribution", ("fare",), measure="jensen_shannon", maximum=0.1, fractions=FARES),
    Check("distribution", ("fare",), measure="ks", maximum=0.1, fractions=FARES),
    Check("distribution", ("fare",), measure="ks", minimum=0.05, fractions=FARES),
    Check("distribution", ("city",), measure="psi", maximum=0.1, fractions=CITIES),
    Check("distribution", ("city",), measure="chi_square", minimum=0.05, fractions=CITIES),
)
LAST = (
    Check("distribution", ("fare",), measure="psi", maximum=0.25, reference="last"),
    Check("distribution", ("fare",), measure="ks", minimum=0.01, reference="last"),
    Check("distribution", ("city",), measure="chi_square", minimum=0.01, reference="last"),
)
TRAIN = (
    Check("distribution", ("fare",), measure="psi", maximum=0.25, reference="train"),
    Check("distribution", ("city",), measure="chi_square", minimum=0.01, reference="train"),
)
# fares spread over the four stated buckets alike, cities as stated, a third of the rows to test
_CITY = (
    "CASE WHEN id % 10 < 5 THEN 'Oslo' WHEN id % 10 < 8 THEN 'Rome' WHEN id % 10 = 9 THEN 'Bonn'"
)
USUAL = (
    "id AS ride_id",
    "'ann' AS rider",
    f"{_CITY} END AS city",
    "cast(id % 40 + 1 as double) / 10 AS fare",
    "if(id div 40 % 3 = 0, 'test', 'train') AS split",
)
BAD = (
    USUAL[0],
    USUAL[1],
    "if(id % 2 = 0, 'Bern', null) AS city",
    "array(0.5, 9d, double('NaN'), double('inf'), null)[cast(id % 5 as int)] AS fare",
    USUAL[4],
)
NULLS = tuple(
    f"cast(null as {kind}) AS {name}"
    for name, kind in zip(
        ("ride_id", "rider", "city", "fare", "split"),
        ("long", "string", "string", "double", "string"),
        strict=True,
    )
)


def make(spark: SparkSession, columns: tuple[str, ...] = USUAL, count: int = 1200) -> DataFrame:
    return spark.range(count).selectExpr(*columns).coalesce(1)


def spec_of(*checks: Check) -> TableSpec:
    return replace(make_spec(*checks), columns=COLUMNS)


def outcomes(rows: DataFrame, checks: tuple[Check, ...], **asked: Any) -> list[CheckOutcome]:
    return list(check_table(rows, spec_of(*checks), Asked(TABLE, **asked)).report.checks[1:])


@pytest.fixture(scope="module")
def fitted(spark: SparkSession) -> Checked:
    """The first version of a table whose distributions are held to the last."""
    return check_table(make(spark), spec_of(*LAST), Asked(TABLE))


def test_a_column_near_the_stated_fractions_passes_and_another_does_not(
    spark: SparkSession,
) -> None:
    good = outcomes(make(spark), STATED)
    assert [item.success for item in good] == [True] * 6
    assert good[0].observed == "0"
    assert good[0].expected == (
        "a population stability index at most 0.1, against the stated fractions"
    )
    bad = outcomes(make(spark, BAD), STATED)
    assert [item.success for item in bad] == [False] * 6
    # of fares: a fifth in the first bucket and in the last, two of NaN and infinite, one null
    found = [0.2, 1e-4, 1e-4, 0.2, 0.2, 0.4]
    stated = [0.25, 0.25, 0.25, 0.25, 1e-4, 1e-4]
    by_hand = sum((q - p) * math.log(q / p) for p, q in zip(stated, found, strict=True))
    assert bad[0].observed == f"{by_hand:.3g}"
    # of the numbers that are left half lie in the first bucket, none in the next two
    assert bad[2].observed.startswith("0.25, p-value")


def test_what_is_measured_is_the_arithmetic_on_the_counts(spark: SparkSession) -> None:
    result = check_table(make(spark, BAD), spec_of(*STATED), Asked(TABLE)).result
    details = [item.result for item in result.results[1:]]
    shares = [0.25] * 4 + [0, 0]
    counts = [240, 0, 0, 240, 240, 480]
    assert details[0]["observed_value"] == psi(shares, counts)
    assert details[1]["observed_value"] == jensen_shannon(shares, counts)
    ks = kolmogorov_smirnov(shares[:4], counts[:4], INF)
    assert (details[2]["observed_value"], details[2]["details"]["p_value"]) == ks
    towns = chi_square([0.5, 0.3, 0.1, 0.1], [0, 0, 600, 600], INF)
    assert details[5]["observed_value"] == pytest.approx(towns.statistic)


@pytest.mark.parametrize("name", ["usual", "bad", "empty", "nulls"])
def test_verdicts_are_those_of_great_expectations(
    spark: SparkSession, fitted: Checked, name: str
) -> None:
    columns = {"bad": BAD, "nulls": NULLS}.get(name, USUAL)
    rows = make(spark, columns, 0 if name == "empty" else 120)
    spec = spec_of(*STATED, *TRAIN, *LAST)
    history = [fitted.numbers]
    ridden = check_table(rows, spec, Asked(TABLE, known=ride(rows, spec), history=history))
    alone = check_table(rows, spec, Asked(TABLE, history=history))
    stock = run_stock(ridden.suite, rows, TABLE)
    assert len(stock) == 12
    for ours, late, theirs in zip(ridden.result.results, alone.result.results, stock, strict=True):
        assert comparable(ours) == comparable(late) == comparable(theirs)
    assert not ridden.report.success or name == "usual"


def test_rows_that_cannot_be_read_fail_the_check_and_say_why(spark: SparkSession) -> None:
    broken = make(spark).withColumn("fare", F.raise_error(F.lit("disk")).cast("double"))
    (found,) = outcomes(broken, LAST[:1])
    assert not found.success
    assert "disk" in found.error
    (absent,) = outcomes(make(spark).drop("fare"), LAST[:1])
    assert "column fare is not in the table" in absent.error


def test_without_values_nothing_is_near(spark: SparkSession) -> None:
    for rows in (make(spark, NULLS), make(spark, USUAL, 0)):
        assert [item.success for item in outcomes(rows, STATED)] == [False] * 6


def test_the_first_version_passes_and_later_ones_are_held_to_it(
    spark: SparkSession, fitted: Checked
) -> None:
    assert [(item.success, item.observed) for item in fitted.report.checks[1:]] == [
        (True, "no reference yet")
    ] * 3
    assert fitted.report.checks[1].expected == (
        "any population stability index, as there is no reference yet"
    )
    history: list[Numbers] = [{"rows": 5}, fitted.numbers, {"rows": 7}]
    same = outcomes(make(spark), LAST, history=history)
    assert [(item.success, item.observed) for item in same] == [
        (True, "0"), (True, "0, p-value 1"), (True, "0, p-value 1"),
    ]  # fmt: skip
    shifted = (*USUAL[:2], "'Bonn' AS city", "cast(id % 40 + 21 as double) / 10 AS fare", USUAL[4])
    moved = outcomes(make(spark, shifted), LAST, history=history)
    assert [item.success for item in moved] == [False] * 3
    # the 10 fitted buckets are equally full: half of them are empty now, and half the rows beyond
    assert moved[1].observed.startswith("0.5, p-value ")
    fewer = outcomes(make(spark, USUAL, 400), LAST, history=history)
    assert [item.success for item in fewer] == [True] * 3


def test_later_versions_are_counted_in_the_buckets_of_the_first(
    spark: SparkSession, fitted: Checked
) -> None:
    other = check_table(make(spark, BAD), spec_of(*LAST), Asked(TABLE, history=[fitted.numbers]))
    names = {name for name in fitted.numbers if name.startswith("bucket(")}
    assert names == {name for name in other.numbers if name.startswith("bucket(")}
    assert sum(fitted.numbers[name] or 0 for name in names if name.startswith("bucket(f")) == 1200


def test_the_champions_version_is_a_reference_of_its_own(spark: SparkSession) -> None:
    check = replace(LAST[0], reference="champion")
    trained = check_table(make(spark), spec_of(check, *LAST), Asked(TABLE))
    shifted = make(spark, (*USUAL[:3], "cast(id % 40 + 21 as double) / 10 AS fare", USUAL[4]))
    # its numbers hold the buckets of both, and these end elsewhere
    later = check_table(shifted, spec_of(check, *LAST), Asked(TABLE, champion=trained.numbers))
    asked = {"history": [later.numbers], "champion": trained.numbers}
    found = outcomes(shifted, (check, LAST[0]), **asked)
    assert [item.success for item in found] == [False, True]
    assert found[1].observed == "0"
    alone = outcomes(shifted, (check,), history=[later.numbers])
    assert alone[0].observed == "no reference yet"


def test_other_splits_are_held_to_the_training_split(spark: SparkSession) -> None:
    assert [item.success for item in outcomes(make(spark), TRAIN)] == [True] * 2
    apart = (
        *USUAL[:2],
        "if(id div 40 % 3 = 0, 'Bonn', 'Rome') AS city",
        "cast(id % 40 as double) + if(id div 40 % 3 = 0, 20, 0) AS fare",
        USUAL[4],
    )
    found = outcomes(make(spark, apart), TRAIN)
    assert [item.success for item in found] == [False] * 2
    # train has 800 rows of Rome, the others 400 of Bonn: the statistic is the number of all
    assert found[1].observed.startswith("1.2e+03, p-value ")


def test_stated_buckets_ride_and_fitted_ones_join_the_one_job(
    spark: SparkSession, fitted: Checked
) -> None:
    rows = make(spark)
    stated, last = spec_of(*STATED), spec_of(*LAST)
    known, history = ride(rows, stated), [fitted.numbers]
    assert count_jobs(spark, rows, stated, Asked(TABLE, known=known)) == 0
    assert count_jobs(spark, rows, last, Asked(TABLE, history=history)) == 1
    # the very first version also has its buckets fitted
    assert count_jobs(spark, rows, last, Asked(TABLE)) == 2


def count_jobs(spark: SparkSession, rows: DataFrame, spec: TableSpec, asked: Asked) -> int:
    spark.conf.set("spark.sql.adaptive.enabled", "false")
    group = f"distribution-{spec.checks[0].reference}-{len(asked.history)}"
    spark.sparkContext.setJobGroup(group, "count jobs")
    try:
        check_table(rows, spec, asked)
        return len(spark.sparkContext.statusTracker().getJobIdsForGroup(group))
    finally:
        spark.sparkContext.setLocalProperty("spark.jobGroup.id", None)  # pyright: ignore[reportArgumentType]
        spark.conf.unset("spark.sql.adaptive.enabled")


PSI = STATED[0]


@pytest.mark.parametrize(
    ("check", "expected"),
    [
        (replace(PSI, measure=""), "a measure"),
        (replace(PSI, maximum=None), "maximum, or for ks and chi_square minimum"),
        (replace(PSI, minimum=0.05), "no minimum, which bounds a p-value"),
        (replace(PSI, reference="last"), "fractions or a reference"),
        (replace(PSI, fractions=()), "fractions or a reference"),
        (replace(PSI, fractions=((1.0, 0.5), (2.0, 0.5))), "the last infinite"),
        (replace(PSI, fractions=((2.0, 0.5), (1.0, 0.2), (INF, 0.3))), "ascending upper end"),
        (replace(PSI, fractions=((1.0, 0.5), (INF, 0.4))), "that sum to 1"),
        (replace(PSI, fractions=((1.0, -0.5), (INF, 1.5))), "fractions of 0 or more"),
        (replace(PSI, columns=("city",)), "fractions by category"),
        (replace(PSI, columns=("rider",), fractions=(("ann", 1.0),)), "no personal column"),
        (replace(STATED[4], measure="ks"), "ks of numbers only"),
        (replace(PSI, severity="quarantine", mostly=0.9), "a rule of single rows"),
    ],
)
def test_an_incomplete_distribution_is_refused(check: Check, expected: str) -> None:
    with pytest.raises(ContractError, match=f"expected .*{expected}"):
        single_checks(spec_of(check))


def test_the_training_split_is_no_reference_of_a_table_without_splits() -> None:
    with pytest.raises(ContractError, match="a column split"):
        single_checks(make_spec(TRAIN[0]))


def test_data_docs_show_the_measure_and_its_bounds(spark: SparkSession, tmp_path: Path) -> None:
    checked = check_table(make(spark, BAD), spec_of(*STATED[:1]), Asked(TABLE))
    (report,) = store_results([checked], tmp_path)
    page = (tmp_path / report.data_docs).read_text()
    assert "fare: a population stability index at most 0.1, against the stated fractions." in page
    # 0.05 ln 1.25 twice, and by the floor of 0.0001 what is in buckets of the one side only
    assert "8.76" in page
    context = great_expectations.get_context(context_root_dir=str(tmp_path), mode="file")
    kept = context.suites.get(report.suite).expectations[1]
    assert isinstance(kept, ExpectColumnDistributionToMatch)
    assert (kept.measure, kept.max_value) == ("psi", 0.1)
