"""What a page shows of one checked table, as plain values that outlive the process."""

import math
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from pipelines.quality.report import QualityReport
from pipelines.quality.runner import Checked
from pipelines.step import Fates


def table_record(checked: Checked, report: QualityReport, fates: Fates | None) -> dict[str, Any]:
    """Give a table's report with the course of its numbers.

    Args:
        checked: What its checks found.
        report: Its report as stored, with the path of its Data Docs page.
        fates: Rows by fate of the step that wrote the version, if a step of ours did.
    """
    path, _, version = report.table.rpartition("@v")
    layer, name = Path(path).parts[-2:]
    checks = [
        {**asdict(check), "trace": {**asdict(trace), "values": _finite(trace.values)}}
        for check, trace in zip(report.checks, checked.traces, strict=True)
    ]
    return {
        "table": report.table,
        "layer": layer,
        "name": name,
        "version": int(version),
        "rows": checked.row_counts[-1],
        "row_counts": _finite(checked.row_counts),
        "read": fates.read if fates else None,
        "quarantined": dict(fates.quarantined) if fates else {},
        "success": report.success,
        "data_docs": report.data_docs,
        "checks": checks,
    }


def _finite(values: Sequence[float | None]) -> list[float | None]:
    return [value if value is not None and math.isfinite(value) else None for value in values]
