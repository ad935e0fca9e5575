"""What a reader sees of a lake: each committed version of each table, by two readers."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow.parquet as pq
from deltalake import DeltaTable

from pipelines.loading.delta_log import live_files
from pipelines.state import read_json
from pipelines.tables.commits import versions
from pipelines.tables.delta import count_rows
from pipelines.tables.records import read_records
from pipelines.tables.version import TableVersion

# what differs between two runs on the same data: times, versions of redone steps, names of runs
_LEDGER = ("step", "source", "table", "read", "kept", "duplicate", "quarantined", "filtered")
_VERDICT = ("passed", "num_checks", "failed")
_GROWING = ("ledger", "measures")
_PINS = ("features_version",)


def tables(root: Path) -> list[Path]:
    """Give the folders of all tables that have a committed version."""
    logs = sorted(root.rglob("_delta_log"))
    return [log.parent for log in logs if versions(str(log.parent))]


def digest(rows: Sequence[Mapping[str, Any]]) -> str:
    """Digest of rows, whatever their order."""
    said = sorted(repr(sorted(row.items())) for row in rows)
    return f"{len(rows)} rows {hashlib.sha256(chr(10).join(said).encode()).hexdigest()[:16]}"


def content(table: Path, version: int) -> str:
    """Digest of a version's rows, read file by file as our own code finds them."""
    rows: list[dict[str, Any]] = []
    for file in live_files(str(table), version):
        partition = {name: str(value) for name, value in file.partition.items()}
        read = pq.ParquetFile(file.path).read()
        kept = read.drop([name for name in _PINS if name in read.column_names])
        rows += [{**row, **partition} for row in kept.to_pylist()]
    return digest(rows)


def is_growing(name: str) -> bool:
    """Whether a table tells of times and runs, and only grows."""
    return Path(name).name in _GROWING


def read_all(root: Path) -> dict[str, list[str]]:
    """Read every committed version of every table; both readers must see the same files."""
    found: dict[str, list[str]] = {}
    for table in tables(root):
        name = str(table.relative_to(root))
        known = versions(str(table))
        assert known == list(range(len(known))), name
        found[name] = [content(table, version) for version in known]
        for version in known:
            others = sorted(DeltaTable(str(table), version=version).file_uris())
            assert others == [file.path for file in live_files(str(table), version)], name
    return found


def check_states(root: Path) -> None:
    """Read each record of a finished step and each checkpoint's pointer; all must be whole."""
    for path in [
        *root.glob("*/steps/*.json"),
        *root.glob("*/trainings/*/checkpoints/pointer.json"),
    ]:
        read_json(path)
    for path in root.glob("*/steps/*.json"):
        for text in read_json(path)["tables"]:
            folder, _, version = text.rpartition("@v")
            count_rows(TableVersion(folder, int(version)))


def ledger(root: Path, dataset: str) -> list[tuple[Any, ...]]:
    """Give the entries of a data set, without what differs between two runs, sorted."""
    rows = read_records(root / dataset / "ledger")
    names = (*_LEDGER, *_VERDICT)
    return sorted(tuple(json.dumps(row[name]) for name in names) for row in rows)


def check_readable(root: Path, expected: Mapping[str, Sequence[str]]) -> None:
    """Hold what readers see now to versions of an undisturbed run: nothing else may be seen."""
    check_states(root)
    for name, some in read_all(root).items():
        assert is_growing(name) or set(some) <= set(expected[name]), name


def last_contents(found: Mapping[str, Sequence[str]]) -> dict[str, str]:
    """Give the last content of each table, but for those that tell of times and runs."""
    return {name: some[-1] for name, some in found.items() if not is_growing(name)}


class Left(NamedTuple):
    """What a run has left: contents of all versions of all tables, the ledger, the weights."""

    tables: dict[str, list[str]]
    ledger: list[tuple[Any, ...]]
    weights: str


def look_at(root: Path, dataset: str) -> Left:
    """Read all that a finished run has left."""
    (record,) = (root / dataset / "steps").glob("train-*.json")
    weights = read_json(record)["details"]["weights_digest"]
    return Left(read_all(root), ledger(root, dataset), weights)
