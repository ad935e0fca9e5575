"""Which versions of tables somebody may still want to read, and who."""

from collections.abc import Iterable, Iterator
from datetime import datetime
from pathlib import Path

from pipelines.errors import ParameterError, StateError
from pipelines.layout import Layout
from pipelines.state import read_object, write_json
from pipelines.step import read_run
from pipelines.tables.ledger_table import read_ledger, table_name, table_path
from pipelines.tables.version import TableVersion, parse_version

PINNED = "pinned.json"


class Pins:
    """Pinned versions by table of one data set, each with those who pin it.

    A table is known by its name in the data set, not by its address: a root that was moved, or that
    has two addresses (``hdfs://`` with and without a port), must not lose a pin.
    """

    def __init__(self) -> None:
        self._found: dict[str, dict[int, set[str]]] = {}

    def add(self, table: TableVersion, who: str) -> None:
        """Note that ``who`` may read a version."""
        versions = self._found.setdefault(table_name(table), {})
        versions.setdefault(table.version, set()).add(who)

    def of(self, path: Path) -> dict[int, tuple[str, ...]]:
        """Give the pinned versions of one table and who pins each, versions ascending."""
        found = self._found.get(table_name(TableVersion(str(path), 0)), {})
        return {version: tuple(sorted(found[version])) for version in sorted(found)}


def pin_tables(folder: Path, tables: Iterable[TableVersion]) -> None:
    """Note in a training's folder what it reads, before it reads it; it counts until it is done."""
    write_json(folder / PINNED, {"tables": [str(table) for table in tables]})


def tables_of_training(layout: Layout, fingerprint: str) -> tuple[TableVersion, ...]:
    """Give the tables that a training has noted; none if it has not.

    Raises:
        StateError: The note is damaged.
    """
    path = layout.trainings / fingerprint / PINNED
    if not path.exists():
        return ()
    try:
        return tuple(parse_version(text) for text in read_object(path, ["tables"])["tables"])
    except (TypeError, ParameterError) as error:
        raise StateError(f"{path}: expected names of tables; {error}") from error


def unfinished_trainings(layout: Layout) -> Iterator[tuple[str, tuple[TableVersion, ...]]]:
    """Give the trainings that have begun and have no record: running, or to be gone on with."""
    for folder in sorted(layout.trainings.glob("*")):
        name = folder.name
        is_noted = (folder / PINNED).exists()
        if is_noted and not (layout.steps / f"train-{name}.json").exists():
            yield name, tables_of_training(layout, name)


def pin_runs(pins: Pins, layout: Layout, since: datetime) -> None:
    """Pin what the ledger entered since then, the last version of each table, and the last run's.

    Raises:
        StateError: The record of the last run is damaged.
    """
    last: dict[str, int] = {}
    for entry in read_ledger(layout):
        table = TableVersion(str(table_path(layout, entry["table"])), entry["version"])
        last[entry["table"]] = entry["version"]
        if entry["recorded_at"] >= since:
            pins.add(table, f"a run since {since:%Y-%m-%d}")
    for name, version in last.items():
        table = TableVersion(str(table_path(layout, name)), version)
        pins.add(table, "the last run in the ledger")
    path = layout.base / "runs" / "last.json"
    for result in read_run(path) if path.exists() else ():
        for text in result.tables:
            pins.add(parse_version(text), "the last run of gristmill")
