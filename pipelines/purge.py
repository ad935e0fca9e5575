"""Delete old rows from the quarantine, and the files that hold them.

The quarantine holds rows as they came, with all they say of persons, so it should not keep them for
ever. A row is as old as the step that set it aside.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from pipelines.cli import param
from pipelines.errors import ParameterError
from pipelines.layout import Layout
from pipelines.lock import hold_lock
from pipelines.tables.commits import made_at
from pipelines.tables.ledger_table import read_ledger
from pipelines.tables.records import read_records
from pipelines.tables.write_records import delete_where_in
from schemas.catalog import dataset


@dataclass(frozen=True, slots=True)
class PurgeParams:
    """Delete rows from a data set's quarantine that were set aside long ago."""

    dataset: str = param("name of the data set, a module of schemas")
    root: str = param("folder that holds all data sets, e.g. lake")
    older_than_days: int = param("age in days from which rows go; 0: all rows")


@dataclass(frozen=True, slots=True)
class Purged:
    """What a purge did; ``runs`` are the executions whose rows are gone."""

    dataset: str
    table: str
    deleted: int
    kept: int
    runs: tuple[str, ...]


def run(params: PurgeParams, now: datetime | None = None) -> Purged:
    """Delete the rows of executions that the ledger dates before the limit, or does not know.

    An execution that still runs is not in the ledger: its rows are as old as their commit. The rows
    are gone from the disk too, with all older versions of the table; the ledger keeps their number
    and their reasons. A repeated run deletes nothing more.

    Raises:
        LockedError: Another process writes the quarantine for longer than this one waits.
        ParameterError: The age is negative, or nothing has been run.
        TableError: The table can't be written.
    """
    if params.older_than_days < 0:
        raise ParameterError(f"--older-than-days: expected 0 or more; got {params.older_than_days}")
    layout = Layout(params.root, dataset(params.dataset).name)
    entries = read_ledger(layout)
    if not entries:
        raise ParameterError(
            f"expected the ledger of {params.dataset} under {layout.base}; it has no entry. Give "
            "the --root that the steps were given"
        )
    limit = (now or datetime.now(UTC)) - timedelta(days=params.older_than_days)
    known = {entry["run"] for entry in entries}
    young = {entry["run"] for entry in entries if entry["recorded_at"] > limit}
    path = layout.base / "quarantine"
    with hold_lock(path.with_name("quarantine.lock"), f"the table {path}"):
        rows = read_records(path, columns=("run",))
        others = {row["run"] for row in rows} - young
        old = tuple(sorted(run for run in others if run in known or not _is_new(path, run, limit)))
        num_deleted = sum(row["run"] in old for row in rows)
        if rows:
            delete_where_in(path, "run", old)
    return Purged(params.dataset, str(path), num_deleted, len(rows) - num_deleted, old)


def _is_new(path: Path, run: str, limit: datetime) -> bool:
    moment = made_at(path, run)
    return moment is not None and moment > limit
