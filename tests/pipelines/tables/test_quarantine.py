"""Rows that break a check of severity quarantine are set aside, counted and kept as they are."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
from pyspark.sql import SparkSession

import pipelines.deduplicate
import pipelines.validate
from pipelines.errors import DataQualityError
from pipelines.layout import Layout
from pipelines.tables.ledger_table import read_ledger
from schemas.contract import Check
from tests.chromium import text_of
from tests.pipelines.rides_lake import DEAR, SOURCE, SPEC, deduplicate

NAMES = ('between(fare) {"maximum": 100}', 'sql() {"sql": "length(city) < 9"}')


@pytest.fixture(autouse=True)
def rides(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (pipelines.deduplicate, pipelines.validate):
        monkeypatch.setattr(module, "dataset", lambda _: SPEC)


def read_quarantine(spark: SparkSession, root: Path) -> list[tuple[object, ...]]:
    """What the table holds, less the run."""
    rows = spark.read.format("delta").load(Layout(str(root), "rides").quarantine)
    names = ("source", "stage", "rule", "source_file", "position", "raw")
    return sorted(tuple(row[name] for name in names) for row in rows.collect())


def test_broken_rows_go_to_the_quarantine_and_the_others_on(
    spark: SparkSession, tmp_path: Path
) -> None:
    rows = [
        (1, 3.0, "Oslo"),
        (2, 101.0, "Rome"),
        (3, float("nan"), "Llanfairpwll"),
        (4, None, None),
    ]
    rows += [(5, 1.0, "Llanfairpwll"), (6, 1.0, "Bonn"), (1, 3.0, "Oslo")]
    result = deduplicate(spark, tmp_path, rows)
    fates = result.rows["rides"]
    assert (fates.read, fates.kept, fates.duplicate) == (7, 3, 1)
    assert fates.quarantined == {NAMES[0]: 2, NAMES[1]: 1}
    found = read_quarantine(spark, tmp_path)
    assert [row[:5] for row in found] == [
        ("rides", "deduplicate", NAMES[0], "a.csv", 3),
        ("rides", "deduplicate", NAMES[0], "a.csv", 4),
        ("rides", "deduplicate", NAMES[1], "a.csv", 6),
    ]
    assert json.loads(str(found[0][5]))["fare"] == 101.0
    (entry,) = [row for row in read_ledger(Layout(str(tmp_path), "rides")) if row["read"]]
    assert dict(entry["quarantined"]) == fates.quarantined
    checked = pipelines.validate.run(
        spark, pipelines.validate.ValidateParams("rides", str(tmp_path), result.tables)
    )
    outcomes = {check["rule"]: check for check in checked.details["reports"][0]["checks"]}
    assert all(outcome["success"] for outcome in outcomes.values())
    assert outcomes["quarantined"]["observed"] == "3 rows set aside"
    shown = text_of(Path(checked.files["quality"]).read_text())
    assert "Set aside: 2 These rows are in the quarantine; the others went on." in shown
    assert "between of fare deduplicated/rides@v0 Expected at most 100" in shown
    assert "2 rows set aside while the table was written Why it matters a typing error" in shown
    assert "2 of 7 rows 28.6 %" in shown


def test_rows_in_conflict_are_kept_apart(spark: SparkSession, tmp_path: Path) -> None:
    rows = [(1, 3.0, "Oslo"), (1, 3.0, "Rome"), (1, 2.0, "Bonn")]
    fates = deduplicate(spark, tmp_path, rows).rows["rides"]
    assert (fates.kept, fates.quarantined) == (1, {"conflict": 1})
    assert fates.filtered == {"older_version": 1}
    (row,) = read_quarantine(spark, tmp_path)
    assert (row[2], json.loads(str(row[5]))["city"]) == ("conflict", "Oslo")


def test_rows_of_a_former_run_leave_the_quarantine(spark: SparkSession, tmp_path: Path) -> None:
    deduplicate(spark, tmp_path, [(1, 3.0, "Oslo"), (2, 101.0, "Rome")])
    assert len(read_quarantine(spark, tmp_path)) == 1
    deduplicate(spark, tmp_path, [(1, 3.0, "Oslo"), (2, 10.0, "Rome")])
    assert read_quarantine(spark, tmp_path) == []


def test_too_many_broken_rows_stop_the_step(spark: SparkSession, tmp_path: Path) -> None:
    rows = [(1, 3.0, "Oslo"), (2, 101.0, "Rome"), (3, 102.0, "Rome")]
    with pytest.raises(DataQualityError, match=r"2 of 3 rows break between\(fare\).*at most 0.5"):
        deduplicate(spark, tmp_path, rows)
    assert not list(Layout(str(tmp_path), "rides").steps.glob("deduplicate-*.json"))


def test_growth_of_the_quarantine_is_itself_a_check(
    spark: SparkSession, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    growth = Check("quarantined", last=3, maximum=1.5)
    spec = replace(SPEC, sources=(replace(SOURCE, checks=(DEAR, growth)),))
    for module in (pipelines.deduplicate, pipelines.validate):
        monkeypatch.setattr(module, "dataset", lambda _: spec)
    for dear, is_said in ((1, False), (1, False), (2, True)):
        rows = [(number, 101.0 if number < dear else 1.0, "Oslo") for number in range(8)]
        made = deduplicate(spark, tmp_path, rows)
        params = pipelines.validate.ValidateParams("rides", str(tmp_path), made.tables)
        if is_said:
            with pytest.raises(DataQualityError, match="quarantined: expected at most 1"):
                pipelines.validate.run(spark, params)
        elif dear:
            pipelines.validate.run(spark, params)
