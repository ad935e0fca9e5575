"""Step split: near copies across splits are counted, said, and filtered with a rule."""

from dataclasses import replace
from pathlib import Path

import pytest
from pyspark.sql import SparkSession

import pipelines.split
from pipelines.reporting.headline import make_headline
from pipelines.reporting.run_record import Run
from pipelines.split import SplitParams, run
from pipelines.step import StepResult
from pipelines.tables.delta import read_table
from pipelines.tables.version import parse_version
from pipelines.tables.write import write_table
from schemas.contract import (
    Column,
    ContractError,
    DatasetSpec,
    GivenSplit,
    Label,
    NearDuplicates,
    Source,
)
from schemas.leakage import check_contract
from tests.passed import mark_passed

SPEC = DatasetSpec(
    name="notes",
    title="Notes",
    question="Is it kind?",
    sources=(
        Source(
            "notes",
            "package:none/notes.csv",
            (Column("id", "long"), Column("part", "string"), Column("text", "string")),
            primary_key=("id",),
        ),
    ),
    label=Label("is_kind", "id % 2"),
    split=GivenSplit(("a",), ("c",), ("b",), by="part"),
    near_duplicates=NearDuplicates("text", shingle=1),
)
ROWS = [
    (1, "a", "one two three four five six"),
    (2, "a", "seven eight nine ten eleven twelve"),
    (3, "a", "SEVEN, eight; nine: ten. eleven twelve!"),
    (4, "b", "a b c d e f g h i j"),
    (5, "c", "six five four three two one"),
    (6, "c", "k l m n o p q r s t"),
    (7, "x", "k l m n o p q r s t"),
]


def test_what_the_exam_knows_is_filtered_and_said(
    spark: SparkSession, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pipelines.split, "dataset", lambda _: check_contract(SPEC))
    lineage = [(*row, "f.csv", row[0]) for row in ROWS]
    df = spark.createDataFrame(
        lineage, "id long, part string, text string, _source_file string, _source_position long"
    )
    table = write_table(df, str(tmp_path / "notes" / "deduplicated" / "notes"), "x")
    mark_passed(table)
    made = run(spark, SplitParams("notes", str(tmp_path), (str(table),)))
    fates = made.rows["notes"]
    assert (fates.read, fates.kept) == (7, 4)
    rules = {"near_other_split": 1, "near_duplicate": 1, "outside_split": 1}
    assert fates.filtered == rules
    kept = read_table(spark, parse_version(made.tables[0])).collect()
    assert sorted((row.id, row.split) for row in kept) == [
        (2, "train"), (4, "validation"), (5, "test"), (6, "test"),
    ]  # fmt: skip
    assert made.details["near_duplicates"]["rows"] == {
        "train": {"test": 1, "train": 1},
        "test": {"train": 1},
    }
    assert made.details["splits"] == {"train": 1, "validation": 1, "test": 2}
    said = [concern.text for concern in make_headline(_only(made), [], []).concerns]
    assert "split: 1 rows of train are near copies of test rows, taken out of it" in said


def _only(made: StepResult) -> Run:
    return Run({"split": made})


@pytest.mark.parametrize(
    ("near", "said"),
    [
        (NearDuplicates("id"), "near_duplicates needs a string column"),
        (NearDuplicates("txt"), "near_duplicates needs a string column"),
        (NearDuplicates("text", similarity=0.2), "expected a similarity from 0.5 to 1; got 0.2"),
        (NearDuplicates("text", shingle=0), "expected a shingle of 1 token or more; got 0"),
    ],
)
def test_a_contract_that_cannot_be_meant_is_refused(near: NearDuplicates, said: str) -> None:
    with pytest.raises(ContractError, match=said):
        check_contract(replace(SPEC, near_duplicates=near))
