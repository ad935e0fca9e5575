"""Replay a Delta transaction log up to one version, without Spark.

A Delta folder also holds files that no longer belong to the table, so the live files are read
from the log, never from a listing. What a plain Parquet reader would read wrongly is refused.
Source: the Delta transaction log protocol (github.com/delta-io/delta, PROTOCOL.md), sections
Delta Log Entries, Checkpoints, Action Reconciliation and Reader Requirements.
"""

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeAlias
from urllib.parse import unquote, urlparse

import pyarrow as pa
import pyarrow.parquet as pq

from pipelines.checksum import read_verified, verify
from pipelines.errors import TableError
from pipelines.world import World

_COMMIT = re.compile(r"^(\d{20})\.json$")
_CHECKPOINT = re.compile(r"^(\d{20})\.checkpoint(?:\.(\d{10})\.(\d{10}))?\.parquet$")
_ACTIONS = ("add", "remove", "metaData", "protocol")
# reader features that don't change how a plain Parquet file is read; the first two are refused
# by what the table does with them, see _refuse
_KNOWN_FEATURES = {
    "deletionVectors",
    "columnMapping",
    "timestampNtz",
    "vacuumProtocolCheck",
    "v2Checkpoint",
}
_NEWEST_READER = 3
_FileKey: TypeAlias = tuple[str, str]
_Checkpoints: TypeAlias = dict[int, list[Path]]


@dataclass(frozen=True, slots=True)
class LiveFile:
    """One file of the table at the pinned version.

    ``stats`` is the log's JSON, empty if it has none; ``partition`` holds the values of partition
    columns, which are not in the file.
    """

    path: str
    size: int
    partition: dict[str, str | None]
    stats: dict[str, Any]


@dataclass(slots=True)
class _Replay:
    files: dict[_FileKey, dict[str, Any]] = field(default_factory=dict)
    metadata: dict[str, Any] = field(default_factory=dict)
    protocol: dict[str, Any] = field(default_factory=dict)

    def apply(self, action: dict[str, Any]) -> None:
        if added := action.get("add"):
            self.files[_file_key(added)] = added
        elif removed := action.get("remove"):
            self.files.pop(_file_key(removed), None)
        elif metadata := action.get("metaData"):
            self.metadata = metadata
        elif protocol := action.get("protocol"):
            self.protocol = protocol


def live_files(folder: str, version: int) -> list[LiveFile]:
    """Give the live files of the table in ``folder`` at ``version``, in the order of their paths.

    Raises:
        TableError: No table or version is there, the log has a gap, or the table uses deletion
            vectors, column mapping or another feature that a plain reader would get wrong.
    """
    root = Path(folder)
    replay = _Replay()
    for action in _actions(root, version):
        replay.apply(action)
    _refuse(root, version, replay)
    files = [_live_file(root, added) for added in replay.files.values()]
    return sorted(files, key=lambda file: file.path)


def verify_share(files: Sequence[LiveFile], world: World) -> None:
    """Hold this rank's share of the files to the checksums beside them.

    Raises:
        TableError: A file was altered.
    """
    for file in files[world.rank :: world.size]:
        if Path(file.path).exists():
            verify(Path(file.path))


def log_version(name: str) -> int | None:
    """Give the version that a file of the log is about; None if it is no commit or checkpoint."""
    found = _COMMIT.match(name) or _CHECKPOINT.match(name)
    return int(found[1]) if found else None


def _actions(root: Path, version: int) -> Iterator[dict[str, Any]]:
    commits, checkpoints = _list_log(root)
    usable = [found for found in checkpoints if found <= version]
    first = max(usable) + 1 if usable else 0
    missing = [number for number in range(first, version + 1) if number not in commits]
    if missing or (not usable and 0 not in commits):
        raise TableError(
            f"{root}@v{version}: expected version {version} in its _delta_log; "
            f"{_say_versions(commits, checkpoints)}. Name one of those, or make the table again"
        )
    if usable:
        for part in checkpoints[max(usable)]:
            yield from _checkpoint_actions(part)
    for number in range(first, version + 1):
        yield from _commit_actions(commits[number])


def _list_log(root: Path) -> tuple[dict[int, Path], _Checkpoints]:
    log = root / "_delta_log"
    if not log.is_dir():
        raise TableError(
            f"{root}: expected a Delta table; there is no folder _delta_log in it. "
            "Run the step that writes the table, or correct the path"
        )
    commits: dict[int, Path] = {}
    parts: dict[tuple[int, int], list[Path]] = {}
    for path in sorted(log.iterdir()):
        if commit := _COMMIT.match(path.name):
            commits[int(commit[1])] = path
        elif checkpoint := _CHECKPOINT.match(path.name):
            parts.setdefault((int(checkpoint[1]), int(checkpoint[3] or 1)), []).append(path)
    # a checkpoint in several parts counts only if all of them are there
    whole = {number: paths for (number, total), paths in parts.items() if len(paths) == total}
    return commits, whole


def _say_versions(commits: dict[int, Path], checkpoints: _Checkpoints) -> str:
    readable: list[int] = []
    is_readable = False
    for number in range(max([*commits, *checkpoints], default=-1) + 1):
        follows = number in commits and (is_readable or number == 0)
        is_readable = follows or number in checkpoints
        readable += [number] if is_readable else []
    if not readable:
        return "it has no version that can be read"
    if readable == list(range(readable[0], readable[-1] + 1)):
        return f"it has versions {readable[0]} to {readable[-1]}"
    return f"it has versions {', '.join(map(str, readable))}"


def _commit_actions(path: Path) -> Iterator[dict[str, Any]]:
    for line in read_verified(path).decode().splitlines():
        if line.strip():
            yield _parsed(line, path)


def _parsed(line: str, path: Path) -> dict[str, Any]:
    try:
        return json.loads(line)
    except json.JSONDecodeError as error:
        raise TableError(
            f"{path}: expected one JSON action a line; got {line[:60]!r} ({error}). "
            "The log is damaged: restore it or make the table again"
        ) from error


def _checkpoint_actions(path: Path) -> Iterator[dict[str, Any]]:
    verify(path)
    schema = pq.read_schema(path)
    present = [name for name in _ACTIONS if name in schema.names]
    for batch in pq.ParquetFile(path).iter_batches(columns=present):
        for row in pa.Table.from_batches([batch]).to_pylist():
            yield {name: _with_dicts(row[name]) for name in present if row[name] is not None}


def _with_dicts(action: dict[str, Any]) -> dict[str, Any]:
    # pyarrow gives a Parquet map as a list of pairs
    maps = ("partitionValues", "configuration")
    return {
        name: dict(value) if name in maps and value is not None else value
        for name, value in action.items()
    }


def _file_key(action: dict[str, Any]) -> _FileKey:
    vector = action.get("deletionVector")
    if not vector:
        return action["path"], ""
    return action[
        "path"
    ], f"{vector['storageType']}{vector['pathOrInlineDv']}@{vector.get('offset')}"


def _refuse(root: Path, version: int, replay: _Replay) -> None:
    table = f"{root}@v{version}"
    features = set(replay.protocol.get("readerFeatures") or ())
    unknown = sorted(features - _KNOWN_FEATURES)
    if replay.protocol.get("minReaderVersion", 1) > _NEWEST_READER or unknown:
        raise TableError(
            f"{table}: expected a Delta table of reader version 1 to {_NEWEST_READER}; it asks for "
            f"version {replay.protocol.get('minReaderVersion')} with {unknown}. Write it again "
            "without those features"
        )
    if any(vector for _, vector in replay.files):
        raise TableError(
            f"{table}: expected no deletion vectors: deleted rows would be read again. Run in "
            f"Spark: ALTER TABLE delta.`{root}` SET TBLPROPERTIES "
            "('delta.enableDeletionVectors' = false); "
            f"REORG TABLE delta.`{root}` APPLY (PURGE); and take the version that this writes"
        )
    mapping = (replay.metadata.get("configuration") or {}).get("delta.columnMapping.mode", "none")
    if mapping != "none":
        raise TableError(
            f"{table}: expected columns stored under their own names; column mapping is "
            f"{mapping!r}. Run in Spark: ALTER TABLE delta.`{root}` SET TBLPROPERTIES "
            "('delta.columnMapping.mode' = 'none'), or write the table again"
        )


def _live_file(root: Path, added: dict[str, Any]) -> LiveFile:
    inside = unquote(added["path"])
    if urlparse(added["path"]).scheme or inside.startswith("/") or ".." in inside.split("/"):
        raise TableError(
            f"{root}: expected files inside the table's folder; the log names {added['path']} "
            "(a shallow clone, or a log made to read elsewhere). Write the table as one of its own"
        )
    stats = json.loads(added.get("stats") or "{}")
    path = root / inside
    return LiveFile(str(path), added["size"], dict(added.get("partitionValues") or {}), stats)
