"""Which versions of tables somebody may still want to read, and who."""

from collections.abc import Iterable, Iterator
from datetime import datetime
from pathlib import Path

from pipelines.errors import ParameterError, StateError
from pipelines.layout import Layout
from pipelines.state import read_object, write_json
from pipelines.step import read_run
from pipelines.tables.ledger_table import read_ledger
from pipelines.tables.version import TableVersion, parse_version

PINNED = "pinned.json"


class Pins:
    """Pinned versions by table, each with those who pin it."""

    def __init__(self) -> None:
        self._found: dict[Path, dict[int, set[str]]] = {}

    def add(self, table: TableVersion, who: str) -> None:
        """Note that ``who`` may read a version."""
        versions = self._found.setdefault(Path(table.path).absolute(), {})
        versions.setdefault(table.version, set()).add(who)

    def of(self, path: Path) -> dict[int, tuple[str, ...]]:
        """Give the pinned versions of one table and who pins each, versions ascending."""
        found = self._found.get(path.absolute(), {})
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
    for path in sorted(layout.trainings.glob(f"*/{PINNED}")):
        name = path.parent.name
        if not (layout.steps / f"train-{name}.json").exists():
            yield name, tables_of_training(layout, name)


def pin_runs(pins: Pins, layout: Layout, since: datetime) -> None:
    """Pin what the ledger entered since then, the last version of each table, and the last run's.

    Raises:
        StateError: The record of the last run is damaged.
    """
    last: dict[str, int] = {}
    for entry in read_ledger(layout):
        table = TableVersion(_path(layout, entry["table"]), entry["version"])
        last[entry["table"]] = entry["version"]
        if entry["recorded_at"] >= since:
            pins.add(table, f"a run since {since:%Y-%m-%d}")
    for name, version in last.items():
        pins.add(TableVersion(_path(layout, name), version), "the last run in the ledger")
    path = layout.base / "runs" / "last.json"
    for result in read_run(path) if path.exists() else ():
        for text in result.tables:
            pins.add(parse_version(text), "the last run of gristmill")


def _path(layout: Layout, name: str) -> str:
    """The folder that the ledger names by its last two parts."""
    first, _, rest = name.partition("/")
    return str(layout.base / (rest if first == layout.dataset else name))
