"""Replays as files: whole or not there, and only for the rows that they stand for."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from pipelines.errors import ContractError, StateError
from pipelines.sources.inspect_files import SourceFile, inspect_files
from pipelines.sources.replays import (
    DISCARDED,
    REPLAYED,
    Replay,
    Settled,
    land_replay,
    read_replays,
    take_replays,
    text_digest,
)
from tests.pipelines.sources.rides import GOOD, HEADER, source, write

_AT = datetime(2024, 1, 2, tzinfo=UTC)


def _settled(file: SourceFile | tuple[str, str], position: int, text: str = "") -> Settled:
    name, digest = file if isinstance(file, tuple) else (file.name, file.digest)
    status = REPLAYED if text else DISCARDED
    said = text_digest(text) if text else ""
    return Settled(name, digest, position, "ingest", "r", status, None, said, "" if text else "no")


def _land(folder: Path, *rows: tuple[Settled, str]) -> Replay:
    return land_replay("d", source(), folder, rows, _AT)


def _file(path: Path) -> SourceFile:
    return inspect_files("d", source(), [path])[0][0]


def test_a_replay_is_a_source_file_and_a_record(tmp_path: Path) -> None:
    file = _file(write(tmp_path / "a.csv", b"x,,,,,", b"y,,,,,", GOOD))
    folder = tmp_path / "replays"
    made = _land(folder, (_settled(file, 2, "7,,,,,"), "7,,,,,"), (_settled(file, 3), ""))
    assert made.path.read_bytes() == HEADER + b"\n7,,,,,\n"
    assert read_replays(folder) == (made,)
    assert [row.mended_position for row in made.rows] == [2, None]
    taken = take_replays("d", source(), folder, [file])
    assert [item.name for item in taken.files] == ["~replay-0001.csv"]
    assert [row.position for _, row in taken.settled] == [2, 3]
    made.remove()
    assert list(folder.iterdir()) == []


def test_numbers_of_replays_are_never_given_twice(tmp_path: Path) -> None:
    file = ("a.csv", "d1")
    first = _land(tmp_path, (_settled(file, 2), ""))
    _land(tmp_path, (_settled(file, 3), ""))
    first.remove()
    assert _land(tmp_path, (_settled(file, 4), "")).name == "~replay-0003.csv"


def test_a_replay_counts_only_beside_the_file_that_it_mends(tmp_path: Path) -> None:
    mine = _file(write(tmp_path / "a.csv", b"x,,,,,", GOOD))
    other = _file(write(tmp_path / "b.csv", b"z,,,,,", b"z,,,,,", GOOD))
    folder = tmp_path / "replays"
    first = _land(
        folder, (_settled(mine, 2, "7,,,,,"), "7,,,,,"), (_settled(other, 2, "8,x"), "8,x")
    )
    (landed,) = take_replays("d", source(), folder, [mine, other]).files
    _land(folder, (_settled(landed, 3, "8,,,,,"), "8,,,,,"))
    both = take_replays("d", source(), folder, [mine, other])
    assert (len(both.files), len(both.settled), both.absent) == (2, 3, ())
    alone = take_replays("d", source(), folder, [mine])
    # what mends a mended row of a file that is not there is not there either
    assert [item.name for item in alone.files] == [first.name]
    assert (len(alone.settled), alone.absent) == (1, ((first.name, 3),))
    changed = _file(write(tmp_path / "a.csv", b"x,,,,,", b"2,,,,,", GOOD))
    assert take_replays("d", source(), folder, [changed]).decides() == [[], [], ()]


@pytest.mark.parametrize(
    "texts", [('1,"one', "2,,,,,", 'two",,,,'), ("1,,,,,\n2,,,,,",)], ids=["quotes", "lines"]
)
def test_mended_rows_that_are_no_rows_together_leave_nothing(
    texts: tuple[str, ...], tmp_path: Path
) -> None:
    rows = [(_settled(("a.csv", "d"), i, text), text) for i, text in enumerate(texts, 2)]
    with pytest.raises(ContractError, match=r"source rides: .*expected"):
        _land(tmp_path, *rows)
    assert list(tmp_path.iterdir()) == []


def test_names_of_replays_are_theirs_alone(tmp_path: Path) -> None:
    file = _file(write(tmp_path / "~replay-0001.csv", GOOD))
    with pytest.raises(ContractError, match="names that begin with '~replay-' are kept"):
        take_replays("d", source(), tmp_path / "replays", [file])


_DAMAGED = [
    "",
    "[]",
    '{"settled_at": 5, "rows": []}',
    '{"settled_at": "2024-01-02", "rows": 5}',
    '{"settled_at": "2024-01-02", "rows": [{}]}',
    '{"settled_at": "yesterday", "rows": []}',
]


@pytest.mark.parametrize("text", _DAMAGED)
def test_a_damaged_record_is_named(text: str, tmp_path: Path) -> None:
    (tmp_path / "~replay-0001.json").write_text(text)
    with pytest.raises(StateError, match=r"~replay-0001\.json"):
        read_replays(tmp_path)
