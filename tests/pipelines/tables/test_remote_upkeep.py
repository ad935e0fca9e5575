"""Upkeep on S3, where nothing is locked: commits decide, and what may yet be committed stays."""

import os
import time
from collections.abc import Callable
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from deltalake import CommitProperties, DeltaTable, write_deltalake

from pipelines import purge
from pipelines.errors import ParameterError
from pipelines.layout import Layout
from pipelines.purge import PurgeParams
from pipelines.sources.inspect_files import SourceFile
from pipelines.sources.replays import (
    REPLAYED,
    Settled,
    land_replay,
    read_replays,
    take_replays,
    text_digest,
)
from pipelines.sources.rivals import refuse_rivals
from pipelines.state import write_json
from pipelines.storage.copies import local_files
from pipelines.storage.place import RemotePath, place
from pipelines.storage.remote import delta_options
from pipelines.tables import write_records
from pipelines.tables.ledger_table import SCHEMA
from pipelines.tables.live_files import live_paths
from pipelines.tables.pins import Pins, pin_tables, unfinished_trainings
from pipelines.tables.records import open_table, read_records
from pipelines.tables.upkeep import dead_files, delete_files
from pipelines.tables.version import TableVersion
from pipelines.tables.write_records import append_once
from tests.pipelines import rides_lake
from tests.pipelines.sources.rides import source
from tests.s3_server import S3Server

NOW = datetime(2026, 6, 1, tzinfo=UTC)


@pytest.fixture
def root(s3: S3Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> RemotePath:
    for name, value in s3.environment().items():
        if os.environ.get(name) != value:
            monkeypatch.setenv(name, value)
    found = place(f"s3a://{s3.bucket}/upkeep/{tmp_path.name}")
    assert isinstance(found, RemotePath)
    return found


def _write(path: Path, rows: pa.Table, run: str = "", mode: Any = "overwrite") -> None:
    write_deltalake(
        str(path),
        rows,
        mode=mode,
        configuration={"delta.dataSkippingNumIndexedCols": "0"},
        commit_properties=CommitProperties(custom_metadata={"userMetadata": run}),
        storage_options=delta_options(str(path)),
    )


def _orphan(s3: S3Server, path: Path, days: float) -> str:
    path.write_bytes(b"of a writer that was killed, or of one that has yet to commit")
    moment = time.time() - days * 86_400
    os.utime(s3.folder / "objects" / str(path).removeprefix("s3a://"), (moment, moment))
    return path.name


def test_dead_files_on_s3_are_those_that_no_writer_can_still_commit(
    root: RemotePath, s3: S3Server
) -> None:
    path = root / "rides" / "raw" / "rides"
    for number in range(4):
        _write(path, pa.table({"id": [number]}))
    names = [min(live_paths(TableVersion(str(path), number))).name for number in range(4)]
    _orphan(s3, path / "part-young.parquet", 6)
    old = _orphan(s3, path / "part-old.parquet", 8)
    assert {file.name for file in dead_files(str(path), {1}, 1)} == {old}
    dead = dead_files(str(path), {1}, 0)
    assert {file.name for file in dead} == {names[0], names[2], old}
    assert all(num_bytes > 0 for num_bytes in dead.values())
    assert dead_files(str(path), {1}, 9) == {}
    delete_files(dead)
    delete_files(dead)  # as by two that do it at once
    left = {name for name in path.files_below() if name.endswith(".parquet")}
    assert left == {names[1], names[3], "part-young.parquet"}
    assert read_records(path, version=1) == [{"id": 1}]


def test_a_training_that_is_not_finished_pins_its_table_on_s3_by_any_of_its_addresses(
    root: RemotePath,
) -> None:
    layout = Layout(str(root), "rides")
    address = str(root).replace("s3a://", "s3://")
    table = TableVersion(f"{address}/rides/features/rides", 3)
    pin_tables(layout.trainings / "t1", [table])
    pin_tables(layout.trainings / "t2", [table])
    write_json(layout.steps / "train-t2.json", {"done": True})
    found = list(unfinished_trainings(layout))
    assert found == [("t1", (table,))]
    pins = Pins()
    pins.add(table, "t1")
    assert pins.of(place(layout.table("features", "rides"))) == {3: ("t1",)}


def test_no_step_joins_files_on_s3_where_delta_rs_would_double_the_rows_of_two_at_once(
    root: RemotePath, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, schema = root / "ledger", pa.schema([("name", pa.string())])
    monkeypatch.setattr(write_records, "_COMPACT_EVERY", 2)
    for number in range(4):
        append_once(path, [{"name": f"s{number}"}], schema, f"s{number}")
    assert len(open_table(path).file_uris()) == 4
    # why: a release of delta-rs that sees the conflict may do it again
    first, second = open_table(path), open_table(path)
    first.optimize.compact()
    second.optimize.compact()
    assert open_table(path).to_pyarrow_table().num_rows == 8


@pytest.fixture
def lake(root: RemotePath, monkeypatch: pytest.MonkeyPatch) -> Layout:
    """A quarantine of a step that the ledger dates and of one that still runs."""
    monkeypatch.setattr(purge, "dataset", lambda _: rides_lake.SPEC)
    layout = Layout(str(root), "rides")
    entry = {"recorded_at": NOW - timedelta(31), "run": "old", "step": "ingest"}
    append_once(layout.ledger, [entry], SCHEMA, "old")
    quarantine = place(layout.quarantine)
    _write(quarantine, _rows("old", "Ada Lovelace"))
    _write(quarantine, _rows("runs", "Bob"), "runs", "append")
    return layout


def _rows(run: str, raw: str) -> pa.Table:
    return pa.table({"run": [run], "raw": [raw]})


def _on_disk(layout: Layout) -> set[str]:
    with local_files(place(layout.quarantine)) as folder:
        content = b"".join(path.read_bytes() for path in folder.rglob("*") if path.is_file())
    return {text for text in ("Ada Lovelace", "Bob", "Eve") if text.encode() in content}


def test_old_rows_are_gone_from_s3_and_those_of_a_step_that_runs_stay(lake: Layout) -> None:
    assert _on_disk(lake) == {"Ada Lovelace", "Bob"}
    params = PurgeParams("rides", lake.root, 30)
    made = purge.run(params, NOW)
    assert (made.deleted, made.kept, made.runs) == (1, 1, ("old",))
    assert _on_disk(lake) == {"Bob"}
    assert read_records(place(lake.quarantine)) == [{"run": "runs", "raw": "Bob"}]
    assert asdict(purge.run(params, NOW)) == {**asdict(made), "deleted": 0, "runs": ()}


@pytest.mark.parametrize(("mode", "num_tries"), [("append", 1), ("overwrite", 2)])
def test_a_purge_loses_no_row_of_a_writer_that_comes_in_between(
    lake: Layout, mode: str, num_tries: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    real: Callable[..., None] = write_records.write_deltalake
    quarantine, calls = place(lake.quarantine), list[str]()

    def write(table: DeltaTable, rows: pa.Table, **given: Any) -> None:
        calls.append(given["mode"])
        if len(calls) == 1:
            before = open_table(quarantine).to_pyarrow_table()
            more = _rows("eve", "Eve")
            added = more if mode == "append" else pa.concat_tables([before, more])
            _write(quarantine, added, "eve", mode)
        real(table, rows, **given)

    monkeypatch.setattr(write_records, "write_deltalake", write)
    purge.run(PurgeParams("rides", lake.root, 30), NOW)
    assert calls == ["overwrite"] * num_tries
    assert _on_disk(lake) == {"Bob", "Eve"}
    assert sorted(row["raw"] for row in read_records(quarantine)) == ["Bob", "Eve"]


def _settled(position: int, text: str) -> tuple[Settled, str]:
    said = text_digest(text)
    row = Settled("a.csv", "d1", position, "ingest", "r", REPLAYED, None, said, "")
    return row, text


def test_of_two_replays_that_settle_one_row_at_once_the_one_that_sees_it_is_taken_back(
    root: RemotePath, tmp_path: Path
) -> None:
    # both have looked before either was there, so both have the first number
    first = land_replay("d", source(), root, [_settled(2, "7,,,,,"), _settled(3, "8,,,,,")], NOW)
    refuse_rivals(root, first)
    number = first.name[: len("~replay-0001")]
    (tmp_path / "empty").mkdir()
    later = place(f"{root.parent}/other")
    second = land_replay("d", source(), later, [_settled(3, "9,,,,,")], NOW)
    assert second.name.startswith(number)
    assert second.name != first.name
    for suffix in (".json", ".csv"):
        name = second.path.with_suffix(suffix).name
        (root / name).write_bytes((later / name).read_bytes())
    both = read_replays(root)
    assert {replay.name for replay in both} == {first.name, second.name}
    # an ingest that reads both meanwhile takes each row once
    with local_files(root) as folder:
        taken = take_replays("d", source(), folder, [SourceFile("a.csv", "a.csv", "d1", 9, 9)])
    assert sorted(row.position for _, row in taken.settled) == [2, 3]
    mine = next(replay for replay in both if replay.name == second.name)
    with pytest.raises(ParameterError, match=r"a\.csv line 3 was settled by another replay"):
        refuse_rivals(root, mine)
    assert read_replays(root) == (next(replay for replay in both if replay.name == first.name),)
    assert {name.partition(".")[0] for name in root.names()} == {first.name.partition(".")[0]}
