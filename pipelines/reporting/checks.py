"""What the checks found, those that failed first."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipelines.reporting.run_record import VALIDATE, Run


@dataclass(frozen=True, slots=True)
class TableChecks:
    """The checks of one table; ``link`` leads from the page to its Data Docs, if there are any."""

    layer: str
    table: str
    link: str
    failed: tuple[dict[str, Any], ...]
    warned: tuple[dict[str, Any], ...]
    passed: tuple[dict[str, Any], ...]

    @property
    def total(self) -> int:
        """Checks of the table."""
        return len(self.failed) + len(self.warned) + len(self.passed)

    @property
    def status(self) -> str:
        """Worst outcome: ``bad``, ``warn`` or ``good``."""
        return "bad" if self.failed else "warn" if self.warned else "good"


def table_checks(run: Run, quality: Path, page_folder: Path) -> list[TableChecks]:
    """Give the checks of each validated table, in the order of the run.

    Args:
        run: Its ``validate-LAYER`` steps hold ``details["reports"]``.
        quality: Folder to which the pages' paths are relative.
        page_folder: Folder of the page that is made; links are relative, so the root may move.
    """
    found: list[TableChecks] = []
    for result in run.ordered:
        step, _, layer = result.step.partition("-")
        if step == VALIDATE:
            found += [
                _table(layer, report, quality, page_folder)
                for report in result.details.get("reports", [])
            ]
    return found


def _table(layer: str, report: dict[str, Any], quality: Path, page_folder: Path) -> TableChecks:
    checks = [dict(check, error=check.get("error", "")) for check in report["checks"]]
    broken = [check for check in checks if not check["success"]]
    docs = report.get("data_docs") or ""
    link = os.path.relpath(str(quality / docs), str(page_folder)) if docs else ""
    return TableChecks(
        layer=layer,
        table=report["table"],
        link=Path(link).as_posix() if link else "",
        failed=tuple(check for check in broken if check["severity"] == "error"),
        warned=tuple(check for check in broken if check["severity"] != "error"),
        passed=tuple(check for check in checks if check["success"]),
    )
