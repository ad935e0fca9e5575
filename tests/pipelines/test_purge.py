"""Rows leave the quarantine by age, and the disk with it."""

from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyarrow as pa
import pytest
from deltalake import write_deltalake

from pipelines import purge
from pipelines.errors import ParameterError
from pipelines.layout import Layout
from pipelines.purge import PurgeParams
from pipelines.tables.ledger_table import SCHEMA, read_ledger
from pipelines.tables.records import read_records
from pipelines.tables.write_records import append_once
from tests.pipelines import rides_lake

pytestmark = pytest.mark.proves("S22")
NOW = datetime(2026, 6, 1, tzinfo=UTC)
# execution, age of its step in days (None: the ledger does not know it), text of its row
ROWS = (("old", 31, "Ada Lovelace"), ("young", 29, "Bob"), ("lost", None, "Zoe"))


@pytest.fixture
def lake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A quarantine of three executions, with the settings that Spark's sessions give tables."""
    monkeypatch.setattr(purge, "dataset", lambda _: rides_lake.SPEC)
    layout = Layout(str(tmp_path), "rides")
    for run, days, _ in ROWS:
        if days is not None:
            entry = {"recorded_at": NOW - timedelta(days), "run": run, "step": "ingest"}
            append_once(layout.ledger, [entry], SCHEMA, run)
    rows = pa.table({"run": [row[0] for row in ROWS], "raw": [row[2] for row in ROWS]})
    settings = {"delta.dataSkippingNumIndexedCols": "0"}
    write_deltalake(layout.quarantine, rows, configuration=settings)
    return tmp_path


def _on_disk(lake: Path) -> set[str]:
    files = [path for path in (lake / "rides" / "quarantine").rglob("*") if path.is_file()]
    content = b"".join(path.read_bytes() for path in files)
    return {text for _, _, text in ROWS if text.encode() in content}


def test_old_rows_are_gone_from_the_table_and_from_the_disk(lake: Path) -> None:
    assert _on_disk(lake) == {"Ada Lovelace", "Bob", "Zoe"}
    ledger = read_ledger(Layout(str(lake), "rides"))
    made = purge.run(PurgeParams("rides", str(lake), 30), NOW)
    assert (made.deleted, made.kept, made.runs) == (2, 1, ("lost", "old"))
    assert _on_disk(lake) == {"Bob"}
    assert read_records(lake / "rides" / "quarantine") == [{"run": "young", "raw": "Bob"}]
    # the account of rows is as it was
    assert read_ledger(Layout(str(lake), "rides")) == ledger


def test_a_repeated_purge_deletes_nothing_more(lake: Path) -> None:
    params = PurgeParams("rides", str(lake), 30)
    first = purge.run(params, NOW)
    assert asdict(purge.run(params, NOW)) == {**asdict(first), "deleted": 0, "runs": ()}


def test_an_age_of_nothing_empties_the_quarantine(lake: Path) -> None:
    assert purge.run(PurgeParams("rides", str(lake), 0), NOW).deleted == 3
    assert _on_disk(lake) == set()
    assert read_records(lake / "rides" / "quarantine") == []


def test_an_age_below_zero_and_a_lake_without_a_ledger_are_refused(
    lake: Path, tmp_path: Path
) -> None:
    with pytest.raises(ParameterError, match="--older-than-days: expected 0 or more; got -1"):
        purge.run(PurgeParams("rides", str(lake), -1))
    with pytest.raises(ParameterError, match="it has no entry"):
        purge.run(PurgeParams("rides", str(tmp_path / "none"), 30))
