"""Each published data set's contract reads files of its form; the account of every row closes."""

from dataclasses import dataclass
from pathlib import Path

from pyspark.sql import SparkSession

from pipelines import deduplicate, ingest, split
from pipelines.step import StepResult
from pipelines.tables.delta import read_table
from pipelines.tables.version import parse_version
from schemas.catalog import dataset, datasets
from tests.passed import mark_passed
from tests.pipelines.published_rows import make_lines, write_lines


@dataclass
class Road:
    """The first steps on a few rows of one data set."""

    ingest: StepResult
    deduplicate: StepResult
    split: StepResult


def _walk(spark: SparkSession, root: Path, name: str, files: dict[str, list[str]]) -> Road:
    source = dataset(name).main
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


def test_all_that_is_fetched_is_read_and_all_that_is_read_is_fetched() -> None:
    specs = [dataset(name) for name in datasets()]
    given = {f"fetched:{spec.name}/{file.name}" for spec in specs for file in spec.files}
    places = {place for spec in specs for source in spec.sources for place in source.locations}
    assert {place for place in places if place.startswith("fetched:")} == given


def test_the_rare_attempts_to_break_in_are_asked_of_the_same_rows() -> None:
    rare, all_attacks = dataset("kddcup99_break_ins"), dataset("kddcup99")
    assert rare.sources == all_attacks.sources
    assert rare.fingerprint() != all_attacks.fingerprint()
