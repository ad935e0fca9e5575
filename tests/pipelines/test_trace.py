"""What became of a key: found in each table, in the quarantine, or nowhere."""

from pathlib import Path

import pyarrow as pa
import pytest
from deltalake import write_deltalake
from pyspark.sql import SparkSession

import pipelines.deduplicate
import pipelines.trace
from pipelines.errors import ParameterError
from pipelines.layout import Layout
from pipelines.step import Fates, StepResult
from pipelines.tables.ledger_table import account_for
from pipelines.trace import Trace, TraceParams, run
from tests.pipelines.rides_lake import SPEC, deduplicate

ROWS = [(1, 3.0, "Oslo"), (2, 101.0, "Rome"), (1, 3.0, "Oslo"), (3, 1.0, "Bonn")]


@pytest.fixture
def root(spark: SparkSession, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for module in (pipelines.deduplicate, pipelines.trace):
        monkeypatch.setattr(module, "dataset", lambda _: SPEC)
    raw = StepResult(
        "ingest",
        "rides",
        "made",
        (f"{tmp_path}/rides/raw/rides@v0",),
        {"rides": Fates(read=len(ROWS), kept=len(ROWS))},
    )
    account_for(raw, Layout(str(tmp_path), "rides"))
    deduplicate(spark, tmp_path, ROWS)
    return tmp_path


def trace(root: Path, *key: str) -> Trace:
    """What became of ``key``."""
    return run(TraceParams("rides", str(root), key))


def test_a_key_is_followed_through_the_tables_and_the_quarantine(root: Path) -> None:
    twice = trace(root, "ride_id=1")
    assert [table["num_rows"] for table in twice.tables] == [2, 1]
    assert [row["_source_position"] for row in twice.tables[0]["rows"]] == [2, 4]
    assert twice.verdict == "kept to the last table: 2 in raw/rides, 1 in deduplicated/rides"
    dear = trace(root, "ride_id=2", "city=Rome")
    assert dear.verdict == (
        "left before deduplicated/rides: 1 in raw/rides, 0 in deduplicated/rides; "
        "1 rows in the quarantine hold these values"
    )
    assert dear.quarantine[0]["rule"] == 'between(fare) {"maximum": 100}'
    assert trace(root, "ride_id=77").verdict == "in no table"


def test_a_key_is_followed_to_its_prediction(root: Path) -> None:
    scored = f"{root}/rides/predictions"
    write_deltalake(scored, pa.table({"ride_id": [1, 3], "probability": [0.5, 0.25]}))
    fates = {"rides": Fates(read=2, kept=2)}
    made = StepResult("score", "rides", "made", (f"{scored}@v0",), fates)
    account_for(made, Layout(str(root), "rides"))
    found = trace(root, "ride_id=3")
    assert found.tables[-1]["rows"] == [{"ride_id": 3, "probability": 0.25}]
    assert found.verdict == (
        "kept to the last table: 1 in raw/rides, 1 in deduplicated/rides, 1 in rides/predictions"
    )


@pytest.mark.parametrize(
    ("key", "message"),
    [
        ((), "expected NAME=VALUE, such as ride_id="),
        (("ride",), "expected NAME=VALUE with a column of rides"),
        (("id=1",), "Its primary key is ride_id"),
        (("ride_id=x",), "expected ride_id as long; got 'x'"),
    ],
)
def test_a_wrong_key_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, key: tuple[str, ...], message: str
) -> None:
    monkeypatch.setattr(pipelines.trace, "dataset", lambda _: SPEC)
    with pytest.raises(ParameterError, match=message):
        trace(tmp_path, *key)


def test_a_root_without_a_ledger_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pipelines.trace, "dataset", lambda _: SPEC)
    with pytest.raises(ParameterError, match="it has no entry of rides"):
        trace(tmp_path, "ride_id=1")
