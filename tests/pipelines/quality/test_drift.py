import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from pyspark.sql import DataFrame, SparkSession

from pipelines.quality.drift import ColumnDrift, by_weight, compare, worst
from pipelines.quality.profiles import Profile, count_columns, fit_edges
from pipelines.quality.references import count_like, fit_profiles, kept_profiles
from schemas.drift import ColumnLimits, Drift, Limits

NAN, INF = math.nan, math.inf
DRIFT = Drift()
BEFORE = Profile("city", "categorical", ("Oslo", "Rome", "Bonn"), (500, 300, 200), 0)
FARES = Profile("fare", "numeric", (1.0, 2.0, 3.0), (250, 250, 250, 250), 0)


def make(spark: SparkSession, rows: list[tuple[Any, ...]], schema: str) -> DataFrame:
    return spark.createDataFrame(rows, schema).coalesce(1)


def test_numbers_are_counted_up_to_each_edge_and_nulls_apart(spark: SparkSession) -> None:
    values = [-INF, 0.5, 1.0, 1.5, 2.0, 9.0, INF, NAN, NAN, None]
    rows = make(spark, [(value, 3) for value in values], "fare double, seats int")
    fare, seats = count_columns(rows, {"fare": (1.0, 2.0), "seats": ()}, ())
    assert fare == Profile("fare", "numeric", (1.0, 2.0), (3, 2, 2), nulls=1, nans=2)
    assert seats == Profile("seats", "numeric", (), (10,), 0)
    assert (fare.num_rows, seats.num_rows) == (10, 10)


def test_categories_are_counted_most_frequent_first(spark: SparkSession) -> None:
    rows = make(spark, [(1, "b"), (0, "a"), (1, None), (7, "a")], "is_dear int, city string")
    found = count_columns(rows, {}, ("is_dear", "city"))
    assert found[0] == Profile("is_dear", "categorical", ("1", "0", "7"), (2, 1, 1), 0)
    assert found[1] == Profile("city", "categorical", ("a", "b"), (2, 1), 1)


def test_parts_of_a_table_are_counted_as_the_whole(spark: SparkSession) -> None:
    rows = spark.range(1000).selectExpr("cast(id % 7 as double) AS x", "cast(id % 3 as int) AS c")
    whole = count_columns(rows.coalesce(1), {"x": (1.0, 4.0)}, ("c",))
    assert count_columns(rows.repartition(5), {"x": (1.0, 4.0)}, ("c",)) == whole
    assert whole[0].counts == (286, 429, 285)


def test_edges_part_the_reference_evenly_and_set_a_frequent_value_apart(
    spark: SparkSession,
) -> None:
    rows = spark.range(1, 101).selectExpr(
        "cast(id as double) AS even",
        "if(id <= 40, 7d, cast(id as double)) AS heaped",
        "5d AS constant",
        "cast(null as double) AS nothing",
        "double('NaN') AS nan",
    )
    names = ("even", "heaped", "constant", "nothing", "nan")
    edges = fit_edges(rows, names, 4)
    assert edges["even"] == (25.0, 50.0, 75.0)
    assert edges["constant"] == (math.nextafter(5, -INF), 5.0)
    assert (edges["nothing"], edges["nan"]) == ((), ())
    fitted = {item.name: item for item in count_columns(rows, fit_edges(rows, names, 5), ())}
    below = math.nextafter(7, -INF)
    assert fitted["heaped"].keys == (below, 7.0, 60.0, 80.0)
    assert fitted["heaped"].counts == (0, 40, 20, 20, 20)
    assert (fitted["nothing"].nulls, fitted["nan"].nans) == (100, 100)


def test_the_table_takes_one_job_and_a_kept_reference_none(
    spark: SparkSession, tmp_path: Path
) -> None:
    columns = "cast(id % 50 as double) AS x, cast(id % 9 as int) AS c, cast(id as float) AS y"
    rows = spark.range(500).selectExpr(*columns.split(", "))
    path = tmp_path / "reference.json"

    def look(group: str) -> tuple[Profile, ...]:
        spark.sparkContext.setJobGroup(group, "count jobs")
        kept = kept_profiles(path, {}, lambda: fit_profiles(rows, ("x", "y"), ("c",), 10))
        return count_like(rows, kept)

    spark.conf.set("spark.sql.adaptive.enabled", "false")
    try:
        first, again = look("drift-first"), look("drift-again")
    finally:
        spark.sparkContext.setLocalProperty("spark.jobGroup.id", None)  # pyright: ignore[reportArgumentType]
        spark.conf.unset("spark.sql.adaptive.enabled")
    jobs = [
        len(spark.sparkContext.statusTracker().getJobIdsForGroup(group))
        for group in ("drift-first", "drift-again")
    ]
    # quantiles and counts of the reference once, and one for the table each time
    assert jobs == [3, 1]
    assert first == again == kept_profiles(path, {}, lambda: ())


def held(now: Profile, reference: Profile = BEFORE, drift: Drift = DRIFT) -> ColumnDrift:
    return compare(reference, now, drift)


def test_equal_shares_have_not_drifted() -> None:
    found = held(replace(BEFORE, counts=(5000, 3000, 2000)))
    assert (found.psi, found.js, found.chi2, found.p_value) == (0, 0, 0, 1)
    assert (found.verdict, found.why) == ("ok", ())


def test_shifted_numbers_are_an_error_that_says_what_was_exceeded() -> None:
    found = held(replace(FARES, counts=(700, 100, 100, 100)), FARES)
    # 0.45 ln 2.8 + 3 x (-0.15) ln 0.4
    assert found.psi == pytest.approx(0.45 * math.log(2.8) - 0.45 * math.log(0.4))
    assert found.ks == pytest.approx(0.45)
    assert found.chi2 is None
    assert found.p_value < 1e-6
    assert (found.verdict, found.why) == ("error", ("PSI 0.876, more than 0.25",))
    assert [bar.value for bar in found.bars] == [1.0, 2.0, 3.0, INF]
    assert [bar.now for bar in found.bars] == [0.7, 0.1, 0.1, 0.1]


@pytest.mark.parametrize(
    ("counts", "verdict"), [((280, 240, 240, 240), "ok"), ((370, 210, 210, 210), "ok"),
                            ((400, 200, 200, 200), "warning"), ((520, 160, 160, 160), "error")]
)  # fmt: skip
def test_limits_of_warning_come_before_those_of_error(
    counts: tuple[int, ...], verdict: str
) -> None:
    assert held(replace(FARES, counts=counts), FARES).verdict == verdict


def test_few_rows_differ_by_chance() -> None:
    # the shares of the case above that is an error, of 10 rows
    found = held(replace(FARES, counts=(4, 2, 2, 2)), FARES)
    assert (round(found.psi, 2), found.verdict) == (0.1, "ok")
    assert found.chance > 0.5
    assert held(replace(FARES, counts=(52, 16, 16, 16)), FARES).verdict == "error"
    assert held(replace(FARES, counts=(5, 2, 1, 2)), FARES).verdict == "ok"


def test_a_new_category_is_named_and_counted() -> None:
    now = Profile("city", "categorical", ("Oslo", "Rome", "Bonn", "Bern"), (500, 300, 188, 12), 0)
    found = held(now)
    assert (found.new_categories, found.new_share) == (("Bern",), 0.012)
    assert found.verdict == "error"
    assert found.why == ("1.2 % of rows with new categories, more than 1 %",)
    rare = held(replace(now, counts=(500, 300, 195, 5)))
    assert rare.verdict == "warning"


def test_categories_beyond_the_most_frequent_are_one() -> None:
    found = held(
        replace(BEFORE, keys=("Rome", "Bonn"), counts=(400, 600)),
        drift=replace(DRIFT, num_categories=1),
    )
    assert [(bar.kind, bar.reference, bar.now) for bar in found.bars] == [
        ("category", 0.5, 0.0),
        ("other", 0.5, 1.0),
    ]


def test_growing_nulls_are_found_and_falling_ones_are_not() -> None:
    full, holey = FARES, Profile("fare", "numeric", FARES.keys, (240, 240, 240, 240), 30, 10)
    grown = held(holey, full)
    assert (grown.nulls_reference, grown.nulls_now) == (0, 0.04)
    assert (grown.verdict, grown.why) == (
        "warning",
        # 0.0299 ln 300 + 0.0099 ln 100 + 4 x 0.01 ln (25 / 24)
        ("PSI 0.218, more than 0.1", "share of nulls grew by 4 points, more than 1"),
    )
    fallen = held(full, holey, replace(DRIFT, warning=Limits(nulls=0), error=Limits(nulls=0)))
    assert fallen.verdict == "ok"


@pytest.mark.parametrize("reference", [FARES, BEFORE])
def test_a_column_without_a_value_is_an_error(reference: Profile) -> None:
    empty = replace(reference, counts=(0,) * len(reference.counts), nulls=1000)
    found = held(empty, reference)
    assert (found.verdict, found.nulls_now, found.ks) == (
        "error", 1.0, 0.0 if reference is FARES else None,
    )  # fmt: skip
    back = held(reference, empty)
    assert back.verdict == "error"


def test_a_column_has_the_limits_stated_for_it() -> None:
    now = replace(FARES, counts=(700, 100, 100, 100))
    own = ColumnLimits(("fare",), Limits(psi=0.5), reason="the season")
    assert held(now, FARES, replace(DRIFT, overrides=(own,))).verdict == "warning"
    ks = ColumnLimits(("fare",), error=Limits(ks=0.4, jensen_shannon=0.9))
    assert held(now, FARES, replace(DRIFT, overrides=(ks,))).why == (
        "KS statistic 0.45, more than 0.4",
    )


def test_the_worst_come_first() -> None:
    found = [
        held(replace(FARES, counts=counts), FARES)
        for counts in ((250, 250, 250, 250), (700, 100, 100, 100), (400, 200, 200, 200))
    ]
    assert [item.verdict for item in by_weight(found)] == ["error", "warning", "ok"]
    assert worst([item.verdict for item in found]) == "error"
    assert worst([]) == "ok"


def test_no_rows_are_no_distribution() -> None:
    with pytest.raises(ValueError, match="all buckets are empty"):
        held(replace(FARES, counts=(0, 0, 0, 0)), FARES)
