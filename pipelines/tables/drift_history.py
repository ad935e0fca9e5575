"""The history of drift, a Delta table: one line for each look at a features table."""

import os
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

import pyarrow as pa

from pipelines.layout import Layout
from pipelines.tables.records import read_records
from pipelines.tables.write_records import append_once

SCHEMA = pa.schema(
    [
        ("checked_at", pa.timestamp("us", "UTC")),
        ("fingerprint", pa.string()),
        ("features", pa.string()),
        ("reference", pa.string()),
        ("predictions", pa.string()),
        ("rows_now", pa.int64()),
        ("rows_reference", pa.int64()),
        ("num_columns", pa.int64()),
        ("num_errors", pa.int64()),
        ("num_warnings", pa.int64()),
        ("worst_column", pa.string()),
        ("worst_psi", pa.float64()),
        ("errors", pa.map_(pa.string(), pa.string())),
        ("warnings", pa.map_(pa.string(), pa.string())),
        ("verdict", pa.string()),
        ("page", pa.string()),
    ]
)
_MAX_EARLIER = 10
_SAME = (
    "checked_at", "fingerprint", "features", "reference", "predictions", "rows_now",
    "rows_reference", "verdict",
)  # fmt: skip


def look_of(result: Mapping[str, Any], page: Path) -> dict[str, Any]:
    """Give the line of one result: ``errors`` and ``warnings`` say why, by column, worst first."""
    why: dict[str, dict[str, str]] = {"error": {}, "warning": {}, "ok": {}}
    for column in result["columns"]:
        why[column["verdict"]][column["name"]] = "; ".join(column["why"])
    first = result["columns"][0]
    return {name: result[name] for name in _SAME} | {
        "num_columns": len(result["columns"]),
        "num_errors": len(why["error"]),
        "num_warnings": len(why["warning"]),
        "worst_column": first["name"],
        "worst_psi": first["psi"],
        "errors": why["error"],
        "warnings": why["warning"],
        "page": str(page),
    }


def keep_look(layout: Layout, look: Mapping[str, Any]) -> None:
    """Add one line, once however often it is called; ``page`` becomes relative to the data set."""
    row = {
        **look,
        "checked_at": datetime.fromisoformat(look["checked_at"]),
        "page": os.path.relpath(str(look["page"]), str(layout.base)),
        "errors": list(look["errors"].items()),
        "warnings": list(look["warnings"].items()),
    }
    append_once(layout.drift_history, [row], SCHEMA, f"drift-{look['fingerprint']}")


def earlier_looks(layout: Layout, but: str, page_folder: Path) -> list[dict[str, Any]]:
    """Give the last looks but the one named ``but``, newest first, as the page shows them."""
    rows = [row for row in read_records(layout.drift_history) if row["fingerprint"] != but]
    rows.sort(key=lambda row: row["checked_at"], reverse=True)
    return [
        {
            **row,
            "checked_at": f"{row['checked_at']:%Y-%m-%d %H:%M}",
            "features": "/".join(Path(row["features"]).parts[-2:]),
            "link": _link(layout.base / row["page"], page_folder),
        }
        for row in rows[:_MAX_EARLIER]
    ]


def _link(page: Path, folder: Path) -> str:
    return Path(os.path.relpath(str(page), str(folder))).as_posix() if page.is_file() else ""
