"""The ledger, a Delta table: rows by fate of each step, and which versions passed their checks.

A version that a step of ours has written is readable by the next only once the ledger says that it
passed; see ``require_passed``.
"""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa

from pipelines.errors import DataQualityError
from pipelines.layout import Layout
from pipelines.state import fingerprint
from pipelines.step import StepResult
from pipelines.storage.place import RemotePath, place
from pipelines.tables.commits import commit_path, content_version, maker_of, versions
from pipelines.tables.records import greatest, read_records
from pipelines.tables.version import TableVersion, parse_version
from pipelines.tables.write_records import BLOCK, append_once

_COUNTS = pa.map_(pa.string(), pa.int64())
SCHEMA = pa.schema(
    [
        ("recorded_at", pa.timestamp("us", "UTC")),
        ("block", pa.int64()),
        ("dataset", pa.string()),
        ("step", pa.string()),
        ("run", pa.string()),
        ("source", pa.string()),
        ("table", pa.string()),
        ("version", pa.int64()),
        ("commit", pa.string()),
        ("read", pa.int64()),
        ("kept", pa.int64()),
        ("duplicate", pa.int64()),
        ("quarantined", _COUNTS),
        ("filtered", _COUNTS),
        ("seconds", pa.float64()),
        ("passed", pa.bool_()),
        ("num_checks", pa.int64()),
        ("failed", pa.list_(pa.string())),
    ]
)


def account_for(result: StepResult, layout: Layout) -> StepResult:
    """Enter a finished step into the ledger, once however often it is called; give it back.

    A run that was killed between a step's record and its entry enters it when it is repeated.
    """
    rows = [*_fates(result), *_verdicts(result)]
    made_at = _after_all(layout)
    shared = {"recorded_at": made_at, "dataset": result.dataset, "step": result.step}
    shared |= {"run": result.fingerprint, "seconds": result.seconds}
    name = f"{result.step}-{result.fingerprint}-{fingerprint(result.tables)}"
    append_once(layout.ledger, [{**shared, **row} for row in rows], SCHEMA, name, ("block",))
    return result


def _after_all(layout: Layout) -> datetime:
    """Now, or just after the last entry: the last verdict counts, even if the clock went back."""
    last = greatest(layout.ledger, "recorded_at") or datetime.min.replace(tzinfo=UTC)
    return max(datetime.now(UTC), last + timedelta(microseconds=1))


def read_ledger(layout: Layout, where: Sequence[tuple[str, str, Any]] = ()) -> list[dict[str, Any]]:
    """Give the entries of a data set that keep all of ``where``, oldest first."""
    return sorted(read_records(layout.ledger, where), key=lambda row: row["recorded_at"])


def require_passed(tables: Iterable[str]) -> None:
    """Raise unless each table has passed its checks, at its version.

    Asked of tables that a step of ours has written; those of others carry no step's name in their
    commit, and have no ledger. Nor is one asked that was copied to S3 or HDFS without its ledger.

    Raises:
        DataQualityError: A version has not been checked, or has failed; says which and what to do.
    """
    for text in tables:
        table = parse_version(text)
        commit = written_by(table)
        if commit:
            _require_passed(table, commit)


def written_by(table: TableVersion) -> str:
    """Name of the step's execution that wrote a version's rows; empty if none of ours did."""
    if not commit_path(table.path, table.version).exists():
        return ""
    return maker_of(table.path, content_version(table.path, table.version))


def _require_passed(table: TableVersion, commit: str) -> None:
    path = place(table.path)
    # a verdict holds for the same rows in other files, until there is one on those
    first = content_version(path, table.version)
    where = [("table", "=", table_name(table)), ("version", ">=", first)]
    where += [("version", "<=", table.version), ("commit", "=", commit)]
    rows = read_records(path.parent.parent / "ledger", where)
    if isinstance(path, RemotePath) and not rows and not versions(path.parent.parent / "ledger"):
        return
    verdicts = [row for row in rows if row["passed"] is not None]
    if not verdicts:
        raise DataQualityError(
            f"{table} has not been checked; the next step reads what has passed only. Run "
            f"jobs/validate.py --inputs {table} first, with the --dataset and --root of this step"
        )
    last = max(verdicts, key=lambda row: row["recorded_at"])
    if not last["passed"]:
        failed = "; ".join(last["failed"] or ["a check of severity error"])
        raise DataQualityError(
            f"{table} has failed its checks: {failed}. Mend the source or the step that wrote it, "
            "make the table anew and validate it"
        )


def table_name(table: TableVersion) -> str:
    """Name of a table in its data set: ``raw/flights``."""
    return "/".join(Path(table.path).parts[-2:])


def table_path(layout: Layout, name: str) -> Path:
    """Give the folder of a table by its name in the ledger, e.g. of ``flights/predictions``."""
    first, _, rest = name.partition("/")
    return layout.base / (rest if first == layout.dataset else name)


def _fates(result: StepResult) -> list[dict[str, Any]]:
    tables = {parse_version(text).name: parse_version(text) for text in result.tables}
    rows: list[dict[str, Any]] = []
    for source, fates in result.rows.items():
        table = tables.get(source) or next(iter(tables.values()))
        rows.append(
            _where(table)
            | {
                "source": source,
                "read": fates.read,
                "kept": fates.kept,
                "duplicate": fates.duplicate,
                "quarantined": list(fates.quarantined.items()),
                "filtered": list(fates.filtered.items()),
            }
        )
    return rows


def _verdicts(result: StepResult) -> list[dict[str, Any]]:
    reports: Sequence[dict[str, Any]] = result.details.get("reports", ())
    rows: list[dict[str, Any]] = []
    for report in reports:
        table = parse_version(report["table"])
        broken = [check for check in report["checks"] if not check["success"]]
        errors = [check for check in broken if check["severity"] != "warning"]
        rows.append(
            _where(table)
            | {
                "source": table.name,
                "passed": bool(report["success"]),
                "num_checks": len(report["checks"]),
                "failed": [f"{check['rule']}({', '.join(check['columns'])})" for check in errors],
            }
        )
    return rows


def _where(table: TableVersion) -> dict[str, Any]:
    return {
        "block": table.version // BLOCK,
        "table": table_name(table),
        "version": table.version,
        "commit": written_by(table),
    }
