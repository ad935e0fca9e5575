"""Upkeep of a data set's tables: join small files, delete dead ones, keep what is pinned.

Nothing of it changes a row. Files are deleted by age, as Delta's VACUUM does, but never one of a
version that somebody may still want: a registered model, a training that is not finished, the last
run. The features table has files of planned size, so its files are not joined.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from pyspark.sql import SparkSession

from pipelines.cli import param
from pipelines.errors import ParameterError
from pipelines.layout import Layout
from pipelines.lock import hold_lock
from pipelines.registry import store
from pipelines.storage.files import last_change, remove_folder
from pipelines.storage.place import is_remote, place
from pipelines.tables.commits import versions
from pipelines.tables.delta import last_version
from pipelines.tables.pins import Pins, pin_runs, tables_of_training, unfinished_trainings
from pipelines.tables.upkeep import dead_files, delete_files, join_files, small_files
from pipelines.tables.version import parse_version
from pipelines.tables.write import lock_table
from pipelines.tables.write_records import compact_records
from schemas.catalog import dataset
from schemas.contract import LAYERS

_MIN_SCRATCH_DAYS = 1
_PLANNED = "features"


@dataclass(frozen=True, slots=True)
class MaintainParams:
    """Join small files of a data set's tables and delete dead ones; rows stay as they are."""

    dataset: str = param("name of the data set, a module of schemas")
    root: str = param("folder that holds all data sets, e.g. lake")
    older_than_days: int = param(
        "delete files that were replaced so many days ago or more; 0: all but those of the last "
        "version and of pinned ones. On S3 and HDFS, files that no version names stay for 7",
        30,
    )
    dry_run: bool = param("say what would be done, and do nothing", False)
    registry: str = param("postgresql://USER@HOST/NAME on this machine; empty for SQLite", "")


@dataclass(frozen=True, slots=True)
class Upkeep:
    """What became of one table.

    ``files_joined`` small files became fewer, in ``version``; ``removed`` dead files took up
    ``removed_bytes``; ``protected`` versions stay readable, each with those who pin it.
    """

    table: str
    version: int
    files_joined: int
    removed: int
    removed_bytes: int
    protected: dict[str, tuple[str, ...]]


@dataclass(frozen=True, slots=True)
class Maintained:
    """What was done, or would be in a dry run; ``scratch`` are folders that killed runs left."""

    dataset: str
    is_dry_run: bool
    tables: tuple[Upkeep, ...]
    scratch: tuple[str, ...]
    removed: int
    removed_bytes: int


def run(
    spark: Callable[[], SparkSession], params: MaintainParams, now: datetime | None = None
) -> Maintained:
    """Maintain all tables of a data set; a repeated run finds nothing to do.

    Killed anywhere, it leaves readable tables. A second one waits for the first; on S3 and HDFS,
    where there is no lock, both do their work, and the commits decide.

    Args:
        spark: Starts Spark; called only if files of a table that Spark writes are to be joined, or,
            on S3 and HDFS, of any.
        params: What to maintain.
        now: The moment from which age is counted; now by default.

    Raises:
        LedgerError: Joining files would have changed the number of rows.
        LockedError: Another process writes a table for longer than this one waits.
        ParameterError: The age is negative, there is no table, or the registry does not answer.
        StateError: A record of a run or a training is damaged.
        TableError: A table can't be read, or a pinned version would have lost a file.
    """
    if params.older_than_days < 0:
        raise ParameterError(f"--older-than-days: expected 0 or more; got {params.older_than_days}")
    layout = Layout(params.root, dataset(params.dataset).name)
    joined, records = _tables(layout)
    if not joined and not records:
        raise ParameterError(
            f"expected tables of {params.dataset} under {layout.base}; there is none. Give the "
            "--root that the steps were given"
        )
    moment = now or datetime.now(UTC)
    with hold_lock(layout.base / "maintenance.lock", f"the upkeep of {layout.base}"):
        kept: list[Upkeep] = []
        pins = _pins(layout, params, moment)
        for path in (*joined, *records):
            with lock_table(str(path)):
                if path.parent.name == _PLANNED:
                    # a training may have begun since
                    pins = _pins(layout, params, moment)
                kept.append(_maintain(spark, path, params, pins, is_records=path in records))
        scratch = _scratch(layout, params, moment)
    return Maintained(
        params.dataset,
        params.dry_run,
        tuple(kept),
        scratch,
        sum(item.removed for item in kept),
        sum(item.removed_bytes for item in kept),
    )


def _tables(layout: Layout) -> tuple[list[Path], list[Path]]:
    """Tables that Spark writes, and small ones that grow by a few rows at a time."""
    found = [path for layer in LAYERS for path in sorted((layout.base / layer).glob("*"))]
    found += [place(layout.predictions), place(layout.quarantine)]
    records = [layout.ledger, layout.measures, layout.drift_history]
    return [path for path in found if versions(path)], [path for path in records if versions(path)]


def _pins(layout: Layout, params: MaintainParams, now: datetime) -> Pins:
    pins = Pins()
    pin_runs(pins, layout, now - timedelta(days=params.older_than_days))
    for name, tables in unfinished_trainings(layout):
        for table in tables:
            pins.add(table, f"the training {name}, not finished")
    _check_registry(layout, params)
    if params.registry or layout.registry.exists():
        opened = store.open_registry(params.registry, layout.registry)
        champion = store.find_champion(opened, layout.dataset)
        for version in store.list_versions(opened, layout.dataset):
            is_champion = champion is not None and champion.number == version.number
            who = f"model {version.name} {version.number}{', champion' if is_champion else ''}"
            learned_from = tables_of_training(layout, version.tags.get(store.TRAINING, ""))
            for table in learned_from:
                pins.add(table, who)
            if "features" in version.tags:
                pins.add(parse_version(version.tags["features"]), who)
    return pins


def _check_registry(layout: Layout, params: MaintainParams) -> None:
    """Raise if models were registered in a database that is not named: they pin versions."""
    packages, database = layout.registry / "artifacts", layout.registry / store.SQLITE
    if not params.registry and packages.exists() and not database.exists():
        raise ParameterError(
            "--registry: expected the postgresql://USER@HOST/NAME of the models whose packages are "
            f"in {packages}; got none. They pin versions of tables; nothing was deleted"
        )


def _maintain(
    spark: Callable[[], SparkSession],
    path: Path,
    params: MaintainParams,
    pins: Pins,
    *,
    is_records: bool,
) -> Upkeep:
    pinned = {version: who for version, who in pins.of(path).items() if version in versions(path)}
    files_joined = _join(spark, path, params, is_records=is_records)
    dead = dead_files(str(path), pinned, params.older_than_days)
    if not params.dry_run:
        delete_files(dead)
    return Upkeep(
        "/".join(path.parts[-2:]),
        versions(path)[-1],
        files_joined,
        len(dead),
        sum(dead.values()),
        {f"v{version}": who for version, who in pinned.items()},
    )


def _join(
    spark: Callable[[], SparkSession], path: Path, params: MaintainParams, *, is_records: bool
) -> int:
    table = last_version(str(path))
    if table is None or path.parent.name == _PLANNED:
        return 0
    count = small_files(table)
    if params.dry_run or not count:
        return count
    if is_records and not is_remote(path):
        before, after = compact_records(path)
        return before - after
    made = join_files(spark(), table)
    return made.files_before - made.files_after


def _scratch(layout: Layout, params: MaintainParams, now: datetime) -> tuple[str, ...]:
    """Folders that killed steps left, as old as the limit; a day at least, for who still runs."""
    limit = now - timedelta(days=max(params.older_than_days, _MIN_SCRATCH_DAYS))
    old = [
        path
        for path in sorted(layout.base.glob(".*-*"))
        if path.is_dir() and last_change(path) < limit.timestamp()
    ]
    if not params.dry_run:
        for path in old:
            remove_folder(path)
    return tuple(path.name for path in old)
