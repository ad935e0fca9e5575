"""Rows leave the quarantine as a file, are mended, and come back by the same road, once."""

import json
import subprocess
import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from pyspark.sql import SparkSession

import pipelines.deduplicate
import pipelines.ingest
import pipelines.replay
import pipelines.trace
from pipelines.errors import ParameterError
from pipelines.ingest import IngestParams
from pipelines.layout import Layout
from pipelines.replay import Exported, Landed, ReplayParams, ingests_to_repeat, run
from pipelines.sources.inspect_files import SourceFile
from pipelines.sources.replays import read_replays
from pipelines.state import write_json
from pipelines.step import Fates, StepResult
from pipelines.tables.ledger_table import account_for
from pipelines.tables.quarantine import AS_JSON
from pipelines.tables.records import read_records
from pipelines.tables.version import parse_version
from pipelines.tables.write_records import append_once
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
        (again,) = ingests_to_repeat(params)
        return landed, self.ingest(*again.sources)

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


def _held(stage: str, position: int | None, **changes: Any) -> dict[str, Any]:
    row = {"dataset": "rides", "source": "rides", "stage": stage, "rule": "type:ride_id"}
    row |= {"detail": "expected int; got 'x'", "source_file": "a.csv", "position": position}
    return row | {"raw": "x,Bob,1.5,,,", "run": "f1", "status": "open"} | changes


_HELD = [
    _held("ingest", 3),
    _held("ingest", 4, rule="too_long", raw="x" * 1000),
    _held("ingest", 5, status="replayed"),
    _held("ingest", 6, source_file="gone.csv"),
    _held("ingest", 7, run="f0"),
    _held("deduplicate", 8, rule="conflict", detail=AS_JSON, raw='{"ride_id": 7, "name": "Di"}'),
    _held("impute", 9, detail=AS_JSON, raw="{}"),
    _held("split", None, source_file=None, detail=AS_JSON, raw="{}"),
]


def _quarantine(root: Path) -> Layout:
    """A lake by hand: what ingest and deduplicate have set aside, without their tables."""
    layout = Layout(str(root), "rides")
    file = SourceFile("a.csv", f"{root}/a.csv", "d1", 9, 9)
    for step, files in (("impute", []), ("ingest", [asdict(file)]), ("deduplicate", [])):
        tables, fates = (f"{root}/rides/raw/rides@v0",), {"rides": Fates(9, 9)}
        made = StepResult(step, "rides", "f1", tables, fates, details={"files": {"rides": files}})
        write_json(layout.steps / f"{step}-f1.json", asdict(made))
        account_for(made, layout)
    kinds = {name: pa.string() for name in _HELD[0]} | {"position": pa.int64()}
    append_once(Path(layout.quarantine), _HELD, pa.schema(list(kinds.items())), "q")
    return layout


def test_what_can_be_mended_is_exported_and_the_rest_is_counted(tmp_path: Path) -> None:
    _quarantine(tmp_path)
    made = run(ReplayParams("rides", str(tmp_path), export=str(tmp_path / "out.jsonl")))
    assert isinstance(made, Exported)
    rows = [json.loads(line) for line in (tmp_path / "out.jsonl").read_text().splitlines()]
    assert [(row["position"], row["raw"]) for row in rows] == [
        (3, "x,Bob,1.5,,,"),
        (4, None),
        (8, "7,Di,,,,"),
    ]
    assert (made.num_rows, made.rules) == (3, {"type:ride_id": 1, "too_long": 1, "conflict": 1})
    assert made.left_out == {
        "set aside at split, whose table keeps no place in a file": 1,
        "set aside at ingest before the last ingest: run it again": 2,
        "set aside at impute before the last ingest: run it again": 1,
    }


@pytest.mark.parametrize("asked", [{}, {"personal": True}])
def test_the_text_of_personal_rows_is_exported_only_if_asked(
    asked: Any,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    _quarantine(tmp_path)
    monkeypatch.setattr(pipelines.replay, "dataset", lambda _: spec())
    out = tmp_path / "out.jsonl"
    run(ReplayParams("rides", str(tmp_path), export=str(out), **asked))
    assert ("Bob" in out.read_text()) == bool(asked)
    # what is not shown is not taken for mended
    landed = run(ReplayParams("rides", str(tmp_path), rows=str(out)))
    assert isinstance(landed, Landed)
    assert (landed.num_replayed, landed.num_unchanged, landed.files) == (0, 3, ())


def test_one_row_that_can_t_be_taken_leaves_all_as_they_were(tmp_path: Path) -> None:
    layout, out = _quarantine(tmp_path), tmp_path / "out.jsonl"
    run(ReplayParams("rides", str(tmp_path), export=str(out)))
    rows = [json.loads(line) for line in out.read_text().splitlines()]
    rows[0]["raw"], rows[2]["raw"] = "2,Bob,1.5,,,", "7,Di,\n8,,,,"
    out.write_text("".join(json.dumps(row) + "\n" for row in rows))
    with pytest.raises(ParameterError, match=r"a\.csv line 8: expected one line of text"):
        run(ReplayParams("rides", str(tmp_path), rows=str(out)))
    assert read_replays(layout.replays("rides")) == ()


def test_without_an_ingest_or_a_file_it_says_what_to_give(tmp_path: Path) -> None:
    both: list[Any] = [{}, {"export": "a", "rows": "b"}]
    for given in both:
        with pytest.raises(ParameterError, match="either --export FILE or --rows FILE"):
            run(ReplayParams("rides", str(tmp_path), **given))
    with pytest.raises(ParameterError, match=r"expected an ingest of rides under .*the ledger has"):
        run(ReplayParams("rides", str(tmp_path), export=str(tmp_path / "a")))


@pytest.mark.parametrize("flags", [[], ["--rows", "none.jsonl"]])
def test_the_job_ends_with_one_line(flags: list[str], tmp_path: Path) -> None:
    _quarantine(tmp_path)
    command = [sys.executable, "-m", "jobs.replay", "--dataset", "flights", "--root", str(tmp_path)]
    said = subprocess.run([*command, *flags], capture_output=True, text=True, check=False)
    assert (said.returncode, said.stdout, said.stderr.count("\n")) == (1, "", 1)
    assert said.stderr.startswith("error: ")
