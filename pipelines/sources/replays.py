"""Rows that were mended by hand, as files beside the sources they belong to.

A replay is two files: the mended rows as text, a source file like any other, and a record that says
which rows of which files they stand for and which rows were discarded. Ingest reads both, so it
stays a function of its files: run again, it gives the same tables, and what was mended stays so.

Replays are numbered in the order in which they are made; on a local disk their lock sees to it. On
S3 and HDFS there is none, so the name also holds a digest of the rows, which no other replay
overwrites, and of two that settle one row at once none stays, see ``pipelines.sources.rivals``.
"""

import dataclasses
import hashlib
from collections.abc import Collection, Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from pipelines.errors import ContractError, StateError
from pipelines.sources.inspect_files import SourceFile, inspect_files
from pipelines.state import fingerprint, read_object, write_bytes, write_json
from pipelines.storage.copies import local_file
from pipelines.storage.place import is_remote
from schemas.contract import Source

REPLAYED = "replayed"
DISCARDED = "discarded"
# sorts behind letters and digits: without version_by, a mended row is the latest of its key
PREFIX = "~replay-"
_FIRST_LINE = 1


@dataclass(frozen=True, slots=True)
class Settled:
    """What became of one row that was set aside.

    ``file``, ``digest`` and ``position`` name the row; ``rule`` and ``stage`` say why and where it
    was set aside; ``status`` is ``replayed`` (``text`` is the digest of the mended row, which
    stands at ``mended_position`` of the replay's file) or ``discarded`` (``note`` says why).
    """

    file: str
    digest: str
    position: int
    stage: str
    rule: str
    status: str
    mended_position: int | None
    text: str
    note: str

    @property
    def place(self) -> tuple[str, str, int]:
        """What names the row that was set aside."""
        return self.file, self.digest, self.position


@dataclass(frozen=True, slots=True)
class Replay:
    """One replay of a source: when it was made, its rows, and their file if any was mended."""

    name: str
    path: Path
    settled_at: str
    rows: tuple[Settled, ...]

    @property
    def has_file(self) -> bool:
        """Whether any row was mended."""
        return any(row.status == REPLAYED for row in self.rows)

    def remove(self) -> None:
        """Undo it: the rows that it settled are open again at the next ingest."""
        self.path.with_suffix(".json").unlink(missing_ok=True)
        self.path.unlink(missing_ok=True)


@dataclass(frozen=True, slots=True)
class Taken:
    """The part of a source's replays that concerns the files of one ingest.

    ``absent`` are places of mended rows whose first row is in none of the files.
    """

    files: tuple[SourceFile, ...] = ()
    settled: tuple[tuple[Replay, Settled], ...] = ()
    absent: tuple[tuple[str, int], ...] = ()

    def decides(self) -> list[Any]:
        """What of it decides the result of ingest."""
        rows = [(replay.name, replay.settled_at, asdict(row)) for replay, row in self.settled]
        return [[(file.name, file.digest) for file in self.files], rows, self.absent]


def read_replays(folder: Path) -> tuple[Replay, ...]:
    """Give the replays of one source, oldest first.

    Raises:
        StateError: A record is damaged; names it.
    """
    return tuple(_read(path) for path in sorted(folder.glob(f"{PREFIX}*.json")))


def take_replays(
    dataset: str, source: Source, folder: Path, files: Collection[SourceFile]
) -> Taken:
    """Give what replays add to ``files`` of ``source``: mended rows, and rows they stand for.

    Raises:
        ContractError: A file of a replay was changed, or one of ``files`` is named like one.
        StateError: A record is damaged.
    """
    taken_names = [file.name for file in files if file.name.startswith(PREFIX)]
    if taken_names:
        raise ContractError(
            f"{dataset}: source {source.name}: names that begin with {PREFIX!r} are kept for "
            f"replays; got {taken_names}. Rename them"
        )
    places = _Places({(file.name, file.digest) for file in files})
    made: list[SourceFile] = []
    settled: list[tuple[Replay, Settled]] = []
    absent: list[tuple[str, int]] = []
    for replay in read_replays(folder):
        there = [row for row in replay.rows if places.take(row)]
        settled += [(replay, row) for row in there]
        mended = [row.mended_position for row in there if row.mended_position is not None]
        if not mended:
            continue
        (file,), _ = inspect_files(dataset, source, [replay.path])
        made.append(file)
        places.add(file, mended)
        first = _FIRST_LINE + source.num_header_lines
        others = range(first, file.num_rows + first)
        absent += [(file.name, place) for place in others if place not in mended]
    return Taken(tuple(made), tuple(settled), tuple(absent))


def land_replay(
    dataset: str, source: Source, folder: Path, rows: Sequence[tuple[Settled, str]], at: datetime
) -> Replay:
    """Write one replay: first its file, then the record, which makes it count.

    Args:
        dataset: Named in errors.
        source: Contract of the source.
        folder: Folder of the source's replays; the caller holds its lock.
        rows: Rows that were settled, ``mended_position`` yet to be given, and their mended text.
        at: When.

    Raises:
        ContractError: The mended rows together are no file that ingest could read; nothing is kept.
    """
    name = _next_name(folder, rows)
    replay = Replay(
        f"{name}.csv", folder / f"{name}.csv", at.isoformat(), tuple(_place(rows, source))
    )
    if replay.has_file:
        names = [column.file_name for column in source.file_columns]
        mended = [text for row, text in rows if row.status == REPLAYED]
        lines = [source.delimiter.join(names), *mended] if source.has_header else mended
        write_bytes(replay.path, "".join(f"{line}\n" for line in lines).encode())
        try:
            _check_landed(dataset, source, replay.path, len(mended))
        except ContractError:
            replay.path.unlink()
            raise
    record = {"settled_at": replay.settled_at, "rows": [asdict(row) for row in replay.rows]}
    write_json(folder / f"{name}.json", record)
    return replay


def _next_name(folder: Path, rows: Sequence[tuple[Settled, str]]) -> str:
    numbers = [replay.name[len(PREFIX) :].partition(".")[0] for replay in read_replays(folder)]
    last = max((int(number.partition("-")[0]) for number in numbers), default=0)
    said = fingerprint([[asdict(row), text] for row, text in rows]) if is_remote(folder) else ""
    return f"{PREFIX}{last + 1:04d}{said and '-'}{said}"


def _check_landed(dataset: str, source: Source, path: Path, num_rows: int) -> None:
    with local_file(path) as copy:
        (file,), _ = inspect_files(dataset, source, [copy])
    if file.num_rows != num_rows:
        raise ContractError(
            f"{dataset}: source {source.name}: expected {num_rows} mended rows, one each; they "
            f"read as {file.num_rows}. Look for line ends and quotes in them"
        )


def text_digest(text: str) -> str:
    """Give the digest by which a row's text is known again."""
    return hashlib.sha256(text.encode(errors="surrogatepass")).hexdigest()[:16]


class _Places:
    """Which rows are there: all of a source's own files, and those of replays that count."""

    def __init__(self, files: set[tuple[str, str]]) -> None:
        self._files = files
        self._mended: dict[tuple[str, str], set[int]] = {}
        self._settled: set[tuple[str, str, int]] = set()

    def add(self, file: SourceFile, positions: Sequence[int]) -> None:
        self._mended[file.name, file.digest] = set(positions)

    def take(self, row: Settled) -> bool:
        """Say whether the row is there and nobody has settled it before."""
        named = (row.file, row.digest)
        is_there = named in self._files or row.position in self._mended.get(named, ())
        # of two records that speak of one row, the first counts
        is_taken = is_there and row.place not in self._settled
        if is_taken:
            self._settled.add(row.place)
        return is_taken


def _place(rows: Sequence[tuple[Settled, str]], source: Source) -> Iterator[Settled]:
    position = _FIRST_LINE + source.num_header_lines
    for row, _ in rows:
        is_mended = row.status == REPLAYED
        yield dataclasses.replace(row, mended_position=position if is_mended else None)
        position += is_mended


def _read(path: Path) -> Replay:
    value = read_object(path, {"settled_at", "rows"})
    try:
        rows = tuple(_read_row(row) for row in value["rows"])
        datetime.fromisoformat(value["settled_at"])
    except (TypeError, ValueError) as error:
        raise StateError(f"{path}: not the record of a replay: {error}") from error
    file = path.with_suffix(".csv")
    return Replay(file.name, file, value["settled_at"], rows)


def _read_row(value: Any) -> Settled:
    row = Settled(**value)
    for item in dataclasses.fields(row):
        found = getattr(row, item.name)
        wanted = int if item.name in ("position", "mended_position") else str
        if type(found) is not wanted and not (item.name == "mended_position" and found is None):
            raise TypeError(f"{item.name} is {found!r}")
    return row
