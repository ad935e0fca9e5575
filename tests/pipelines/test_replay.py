"""Rows leave the quarantine as a file, are mended, and come back by the same road, once."""

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from pyspark.sql import SparkSession

import pipelines.deduplicate
import pipelines.ingest
import pipelines.replay
import pipelines.trace
from pipelines.errors import ParameterError
from pipelines.ingest import IngestParams
from pipelines.layout import Layout
from pipelines.replay import Exported, Landed, ReplayParams, places_of_last_ingest, run
from pipelines.step import StepResult
from pipelines.tables.records import read_records
from pipelines.tables.version import parse_version
from pipelines.trace import TraceParams
from tests.passed import mark_passed
from tests.pipelines.sources.rides import COLUMNS, source, spec, write

_SOURCE = source(columns=tuple(replace(item, is_personal=False) for item in COLUMNS))
_LINES = (
    b"1,Ann,2.5,2024-01-02,2024-01-02T10:00:00Z,5",
    b"x,Bob,1.5,,2024-01-02T11:00:00Z,",
    b"3,Cy,many,,2024-01-02T12:00:00Z,",
    b"4,Di",
    b'5,"Eve, ""E""",4.0,2024-01-05,2024-01-02T13:00:00.25Z,7',
    b"5,Eva,9.5,,2024-01-02T13:00:00.25Z,7",
    b"6,Flo,3.0,,2024-01-02T14:00:00Z,",
)
_BY = "~replay-0001.csv"
_MENDED = {
    "a.csv:3": "2,Bob,1.5,,2024-01-02T11:00:00Z,",
    "a.csv:4": "3,Cy,more,,2024-01-02T12:00:00Z,",
    "a.csv:6": "7,Eve,4.0,2024-01-05,2024-01-02T13:00:00.25Z,7",
}


@pytest.fixture(autouse=True)
def rides(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (pipelines.ingest, pipelines.deduplicate, pipelines.replay, pipelines.trace):
        monkeypatch.setattr(module, "dataset", lambda _: spec(_SOURCE))


class _Lake:
    """The jobs of one lake, and what its quarantine holds."""

    def __init__(self, spark: SparkSession, root: Path) -> None:
        self.spark, self.root = spark, root
        self.layout = Layout(str(root), "rides")

    def ingest(self, *places: str) -> StepResult:
        made = pipelines.ingest.run(self.spark, IngestParams("rides", str(self.root), places))
        mark_passed(parse_version(made.tables[0]))
        return made

    def deduplicate(self, raw: StepResult) -> StepResult:
        params = pipelines.deduplicate.DeduplicateParams("rides", str(self.root), raw.tables)
        return pipelines.deduplicate.run(self.spark, params)

    def export(self, name: str) -> list[dict[str, Any]]:
        made = run(ReplayParams("rides", str(self.root), export=str(self.root / name)))
        assert isinstance(made, Exported)
        return [json.loads(line) for line in (self.root / name).read_text().splitlines()]

    def replay(self, rows: Sequence[dict[str, Any]]) -> tuple[Landed, StepResult]:
        path = self.root / "mended.jsonl"
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))
        params = ReplayParams("rides", str(self.root), rows=str(path))
        landed = run(params)
        assert isinstance(landed, Landed)
        return landed, self.ingest(*places_of_last_ingest(params))

    def statuses(self, stage: str = "ingest") -> dict[str, tuple[Any, ...]]:
        rows = read_records(Path(self.layout.quarantine), [("stage", "=", stage)])
        names = ("rule", "status", "settled_by", "mended_position", "note")
        return {
            f"{row['source_file']}:{row['position']}": tuple(row[name] for name in names)
            for row in rows
        }


def _mend(row: dict[str, Any]) -> dict[str, Any]:
    place = f"{row['file']}:{row['position']}"
    if place == "a.csv:5":
        return row | {"discard": "a test"}
    return row | {"raw": _MENDED.get(place, row["raw"])}


@pytest.fixture(scope="module")
def lake(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory) -> _Lake:
    return _Lake(spark, tmp_path_factory.mktemp("replay"))


def test_mended_rows_come_back_by_the_same_road_once(lake: _Lake) -> None:
    place = f"rides={write(lake.root / 'a.csv', *_LINES)}"
    raw = lake.ingest(place)
    assert raw.rows["rides"].quarantined == {"field_count": 1, "type:fare": 1, "type:ride_id": 1}
    assert lake.deduplicate(raw).rows["rides"].quarantined == {"conflict": 1}
    first = lake.export("first.jsonl")
    assert [(row["stage"], row["position"], row["rule"]) for row in first] == [
        ("ingest", 3, "type:ride_id"),
        ("ingest", 4, "type:fare"),
        ("ingest", 5, "field_count"),
        ("deduplicate", 6, "conflict"),
    ]
    assert first[3]["raw"] == '5,"Eve, ""E""",4.0,2024-01-05,2024-01-02T13:00:00.250Z,7'
    mended = [_mend(row) for row in first]
    landed, taken = lake.replay(mended)
    assert (landed.num_replayed, landed.num_discarded, landed.num_known) == (3, 1, 0)
    _check_account(lake, taken)
    assert lake.deduplicate(taken).rows["rides"].quarantined == {}
    landed, again = lake.replay(mended)
    assert (landed.num_replayed, landed.num_discarded, landed.num_known) == (0, 0, 4)
    assert (again.is_reused, again.tables) == (True, taken.tables)
    assert lake.ingest(place).tables == taken.tables
    with pytest.raises(ParameterError, match=r"a\.csv line 4 is replayed already as ~replay-0001"):
        lake.replay([mended[1] | {"raw": "3,Cy,8,,,"}])
    _check_second_replay(lake)


def _check_account(lake: _Lake, taken: StepResult) -> None:
    fates = taken.rows["rides"]
    # 7 rows of the file and 3 mended ones; the one that breaks again is open
    assert (fates.read, fates.kept, fates.unexplained) == (10, 5, 0)
    assert fates.filtered == {"replayed": 3, "discarded": 1}
    assert fates.quarantined == {"type:fare": 1}
    assert lake.statuses() == {
        "a.csv:3": ("type:ride_id", "replayed", _BY, 2, ""),
        "a.csv:4": ("type:fare", "replayed", _BY, 3, ""),
        "a.csv:5": ("field_count", "discarded", _BY, None, "a test"),
        "a.csv:6": ("conflict", "replayed", _BY, 4, ""),
        f"{_BY}:3": ("type:fare", "open", None, None, None),
    }
    kept = read_records(Path(parse_version(taken.tables[0]).path))
    places = {row["ride_id"]: (row["_source_file"], row["_source_position"]) for row in kept}
    assert places == {
        1: ("a.csv", 2),
        2: (_BY, 2),
        5: ("a.csv", 7),
        6: ("a.csv", 8),
        7: (_BY, 4),
    }


def _check_second_replay(lake: _Lake) -> None:
    (left,) = lake.export("second.jsonl")
    assert (left["file"], left["position"]) == (_BY, 3)
    _, last = lake.replay([left | {"raw": "3,Cy,8,,2024-01-02T12:00:00Z,"}])
    assert last.rows["rides"].quarantined == {}
    assert Counter(row[1] for row in lake.statuses().values()) == {"replayed": 4, "discarded": 1}
    followed = pipelines.trace.run(TraceParams("rides", str(lake.root), ("ride_id=2",)))
    origin = [row for row in followed.quarantine if row["mended_position"] == 2]
    assert origin[0]["raw"] == "x,Bob,1.5,,2024-01-02T11:00:00Z,"
    assert "or were mended to them (1 replayed)" in followed.verdict
