"""Each published data set's contract reads files of its form; the account of every row closes."""

import random
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from pyspark.sql import Row, SparkSession
from pyspark.sql.functions import expr

from pipelines import deduplicate, ingest, split
from pipelines.step import StepResult
from pipelines.tables.delta import read_table
from pipelines.tables.version import parse_version
from pipelines.transforms.split import add_derived
from schemas.catalog import dataset, datasets
from schemas.contract import DatasetSpec
from tests.passed import mark_passed
from tests.pipelines.published_rows import make_lines, write_lines

START_S = 1_330_560_000  # 1 March 2012, UTC


@dataclass
class Road:
    """The first steps on a few rows of one data set."""

    ingest: StepResult
    deduplicate: StepResult
    split: StepResult


def _walk(
    spark: SparkSession,
    root: Path,
    name: str,
    files: dict[str, list[str]],
    spec: DatasetSpec | None = None,
) -> Road:
    source = (spec or dataset(name)).main
    root.mkdir(exist_ok=True)
    places = [
        f"{source.name}={write_lines(root / file, source, lines)}" for file, lines in files.items()
    ]
    lake = str(root / "lake")
    raw = ingest.run(spark, ingest.IngestParams(name, lake, tuple(places)))
    mark_passed(parse_version(raw.tables[0]))
    unique = deduplicate.run(spark, deduplicate.DeduplicateParams(name, lake, raw.tables))
    mark_passed(parse_version(unique.tables[0]))
    return Road(raw, unique, split.run(spark, split.SplitParams(name, lake, unique.tables)))


def test_stays_of_one_patient_lie_in_one_split_and_a_question_mark_is_missing(
    spark: SparkSession, tmp_path: Path
) -> None:
    lines = make_lines(dataset("diabetes130").main, 120, seed=1)
    # an exact copy, and a stay whose days are no number
    broken = lines[5].split(",")
    broken[0], broken[9] = "9999", "?"
    lines += [lines[3], ",".join(broken)]
    made = _walk(spark, tmp_path, "diabetes130", {"diabetic_data.csv": lines})
    fates = made.ingest.rows["stays"]
    assert (fates.read, fates.kept, fates.quarantined) == (122, 121, {"null:time_in_hospital": 1})
    fates = made.deduplicate.rows["stays"]
    assert (fates.read, fates.kept, fates.duplicate) == (121, 120, 1)
    rows = read_table(spark, parse_version(made.split.tables[0])).collect()
    assert len({(row.patient_nbr, row.split) for row in rows}) == 60
    assert {row.split for row in rows} == {"train", "validation", "test"}
    assert {row.is_back for row in rows} == {0, 1}
    assert all((row.readmitted == "<30") == bool(row.is_back) for row in rows)
    assert "?" not in {cell for row in rows for cell in row}
    assert "None" in {row.max_glu_serum for row in rows}
    groups = {row.diag_1: row.diag_1_group for row in rows}
    assert groups == {
        "250.83": "diabetes",
        "428": "circulatory",
        "786": "respiratory",
        "V45": "supplementary",
        "E812": "other",
        "8": "infection",
        None: "missing",
    }


def test_copies_of_a_connection_are_kept_once_a_file_and_files_stay_apart(
    spark: SparkSession, tmp_path: Path
) -> None:
    source = dataset("kddcup99").main
    train, test = make_lines(source, 60, seed=2), make_lines(source, 20, seed=3)
    train += [*train[:15], *train[:5]]
    test += [train[0], test[0]]
    files = {"kddcup.data_10_percent": train, "corrected": test}
    made = _walk(spark, tmp_path, "kddcup99", files)
    assert made.ingest.rows["connections"].kept == 102
    fates = made.deduplicate.rows["connections"]
    assert (fates.read, fates.kept, fates.duplicate) == (102, 81, 21)
    sizes = made.split.details["splits"]
    assert sizes["test"] == 21
    assert sizes["train"] + sizes["validation"] == 60
    assert sizes["validation"] > 0
    rows = read_table(spark, parse_version(made.split.tables[0])).collect()
    assert all((row.label != "normal.") == bool(row.is_attack) for row in rows)
    assert len({row.record_id for row in rows}) == 81


def test_of_a_call_unknown_is_missing_and_999_days_are_none(
    spark: SparkSession, tmp_path: Path
) -> None:
    lines = make_lines(dataset("bank_marketing").main, 40, seed=4)
    days, job = lines[0].split(";"), lines[1].split(";")
    days[12], job[1] = "999", '"unknown"'
    lines[:2] = [";".join(days), ";".join(job)]
    made = _walk(
        spark, tmp_path, "bank_marketing", {"bank-additional-full.csv": [*lines, lines[1]]}
    )
    fates = made.deduplicate.rows["calls"]
    assert (fates.read, fates.kept, fates.duplicate) == (41, 40, 1)
    rows = read_table(spark, parse_version(made.split.tables[0])).collect()
    assert {(row.pdays == 999, row.was_called_before, row.days_since is None) for row in rows} == {
        (True, 0, True),
        (False, 1, False),
    }
    assert None in {row.job for row in rows}
    assert "unknown" not in {cell for row in rows for cell in row}
    months = {row.month: row.month_number for row in rows}
    assert months["jan"] == 0
    assert months["dec"] == 11
    assert all((row.subscribed == "yes") == bool(row.takes_deposit) for row in rows)


def test_a_kind_of_attack_is_put_into_its_category_and_an_unknown_one_is_set_aside(
    spark: SparkSession, tmp_path: Path
) -> None:
    source = dataset("kddcup99_categories").main
    kinds = ["normal", "smurf", "mscan", "guess_passwd", "xterm", "neptune"]
    lines = make_lines(source, 120, seed=5)
    named = [
        f"{line.rpartition(',')[0]},{kinds[number % len(kinds)]}."
        for number, line in enumerate(lines)
    ]
    named[7] = f"{lines[7].rpartition(',')[0]},martian."
    files = {"kddcup.data_10_percent": named[:80], "corrected": named[80:]}
    made = _walk(spark, tmp_path, "kddcup99_categories", files)
    fates = made.split.rows["connections"]
    # martian: no category has it
    ((rule, count),) = fates.quarantined.items()
    assert rule.startswith("in_set(category)")
    assert (fates.read, fates.kept, count) == (120, 119, 1)
    rows = read_table(spark, parse_version(made.split.tables[0])).collect()
    expected = ["normal", "dos", "probe", "r2l", "u2r", "dos"]
    found = {row.label: row.category for row in rows}
    assert found == {f"{kind}.": name for kind, name in zip(kinds, expected, strict=True)}


def _two_detectors(spec: DatasetSpec) -> DatasetSpec:
    """The same contract of the first two detectors: 207 take minutes."""
    unpivot = spec.main.unpivot
    assert unpivot is not None
    kept = unpivot.columns[:2]
    columns = tuple(c for c in spec.main.columns if c.name in (*kept, *spec.main.primary_key))
    checks = tuple(check for check in spec.main.checks if {*check.columns} <= {*kept})
    source = replace(
        spec.main, columns=columns, checks=checks, unpivot=replace(unpivot, columns=kept)
    )
    return replace(spec, sources=(source,))


def _week(draw: random.Random) -> list[str]:
    """A line for each five minutes of a week; one in ten readings of the first is missing."""
    return [
        # no two lines are the same: copies are kept once
        f"{0 if draw.random() < 0.1 else 20 + (step * 7) % 41},30.{step:04d}"
        for step in range(7 * 288)
    ]


def test_a_detector_is_asked_by_what_was_known_then_and_answered_by_what_came(
    spark: SparkSession, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec = _two_detectors(dataset("los_loop_30_min"))
    for module in (ingest, deduplicate, split):
        monkeypatch.setattr(module, "dataset", lambda _: spec)
    lines, cut = _week(random.Random(6)), 1000
    made = _walk(spark, tmp_path / "a", spec.name, {"los_speed.csv": lines}, spec)
    fates = made.split.rows["readings"]
    assert (fates.read, fates.kept) == (2 * 2016, 2 * (2016 - 24))
    assert fates.filtered == {"outside_split": 2 * 24}
    rows = read_table(spark, parse_version(made.split.tables[0])).collect()
    first = {row.at_s: row for row in rows if row.sensor == "773869"}
    assert {row.sensor for row in rows} == {"773869", "767541"}
    readings = {
        START_S + 300 * step: float(line.split(",")[0]) or None for step, line in enumerate(lines)
    }
    num_known = 0
    for at_s, row in first.items():
        assert row.speed == readings[at_s]
        assert row.speed_in_30_min == readings.get(at_s + 1800)
        num_known += row.speed_in_30_min is not None
        ago = readings.get(at_s - 600)
        if ago is not None:
            assert row.speed_10_min_ago == ago
    assert 1700 < num_known < 1900
    # other readings from some moment on change nothing of what was known before it
    changed = [*lines[:cut], *(f"{number % 50 + 1},7.{number:04d}" for number in range(2016 - cut))]
    again = _walk(spark, tmp_path / "b", spec.name, {"los_speed.csv": changed}, spec)
    later = read_table(spark, parse_version(again.split.tables[0])).collect()
    end_s = START_S + 300 * cut
    known, other = (
        {(row.sensor, row.at_s): _known(row, spec) for row in part if row.at_s < end_s}
        for part in (rows, later)
    )
    assert known == other
    assert len(known) == 2 * cut


def _known(row: Row, spec: DatasetSpec) -> list[object]:
    """What is said of a row at its moment: all but the label and the key of its line."""
    hidden = {spec.label.name, "line_id"}
    return [value for name, value in row.asDict().items() if name not in hidden]


def test_a_missing_reading_lies_between_those_around_it_or_is_the_last_one(
    spark: SparkSession,
) -> None:
    speeds = [30.0, None, None, 60.0, None]
    rows = [(f"l{step}", "a", speed, 2 + step) for step, speed in enumerate(speeds)]
    df = spark.createDataFrame(
        rows, "line_id string, sensor string, reading double, _source_position long"
    )
    spec = dataset("los_loop_15_min")
    made = add_derived(df, spec.derived).orderBy("at").collect()
    # 10 minutes ago, by what is known now; 60 is known from the fourth line on
    assert [row.speed_10_min_ago for row in made] == [30.0, 30.0, 30.0, 40.0, 50.0]
    assert [row.speed_now for row in made] == [30.0, 30.0, 30.0, 60.0, 60.0]
    assert [row.speed_5_min_ago for row in made] == [30.0, 30.0, 30.0, 50.0, 60.0]


def _invoices(spark: SparkSession, *lines: tuple[str, str, int, float, str | None]) -> list[Row]:
    """What is derived of lines (invoice, time, quantity, price, customer), and their label."""
    spec = dataset("online_retail")
    rows = [(f"l{number}", *line, "day.csv", number) for number, line in enumerate(lines)]
    df = spark.createDataFrame(
        rows,
        "line_id string, invoice_no string, written string, quantity int, unit_price double, "
        "customer_id string, _source_file string, _source_position long",
    )
    made = add_derived(df, spec.derived)
    label = expr(spec.label.sql).alias(spec.label.name)
    return made.select("*", label).orderBy("_source_position").collect()


def test_an_order_is_asked_once_by_what_came_before_and_answered_by_the_next_30_days(
    spark: SparkSession,
) -> None:
    lines = (
        ("100001", "2011-01-01 10:00:00", 2, 5.0, "a"),
        ("100001", "2011-01-01 10:01:00", 1, 3.0, "a"),
        ("100002", "2011-01-11 10:01:00", 1, 7.0, "a"),
        ("C10003", "2011-01-12 10:00:00", -1, 7.0, "a"),
        ("100004", "2011-01-12 10:00:00", 4, 1.0, None),
        ("100005", "2011-03-01 10:00:00", 1, 2.0, "a"),
        ("100006", "2011-03-02 10:00:00", 1, 2.0, "b"),
    )
    rows = _invoices(spark, *lines)
    # the second order comes within 30 days of the first, the third does not of the second
    assert [row.orders_again for row in rows] == [1, None, 0, None, None, 0, 0]
    assert [row.basket_value for row in rows] == [13.0, 13.0, 7.0, -7.0, 4.0, 2.0, 2.0]
    assert [row.basket_lines for row in rows] == [2, 2, 1, 1, 1, 1, 1]
    assert [row.orders_before for row in rows] == [0, 0, 1, 2, 0, 2, 0]
    assert [row.spent_before for row in rows] == [0.0, 0.0, 13.0, 20.0, 0.0, 13.0, 0.0]
    assert [row.returns_before for row in rows] == [0, 0, 0, 0, 0, 1, 0]
    assert (rows[2].days_since_last, rows[0].days_since_last) == (10.0, None)
    # what comes later changes nothing of what was known before it
    later = [("100007", "2011-01-12 09:00:00", 9, 9.0, "a"), *lines[5:]]
    again = _invoices(spark, *lines[:3], *later)
    known = [
        [value for name, value in row.asDict().items() if name != "orders_again"] for row in rows
    ]
    assert (
        known[:3]
        == [
            [value for name, value in row.asDict().items() if name != "orders_again"]
            for row in again
        ][:3]
    )
    assert again[2].orders_again == 1


def test_all_that_is_fetched_is_read_and_all_that_is_read_is_fetched() -> None:
    specs = [dataset(name) for name in datasets()]
    given = {f"fetched:{spec.name}/{file.name}" for spec in specs for file in spec.files}
    places = {place for spec in specs for source in spec.sources for place in source.locations}
    assert {place for place in places if place.startswith("fetched:")} == given


def test_the_rare_attempts_to_break_in_are_asked_of_the_same_rows() -> None:
    rare, all_attacks = dataset("kddcup99_break_ins"), dataset("kddcup99")
    assert rare.sources == all_attacks.sources
    assert rare.fingerprint() != all_attacks.fingerprint()
