"""What the checks of one table found: plain values for results, messages and pages."""

from dataclasses import dataclass
from typing import Any

from schemas.contract import Severity


@dataclass(frozen=True, slots=True)
class CheckOutcome:
    """One check of one table.

    ``expected`` and ``observed`` are short texts. ``unexpected_count`` of ``element_count`` rows
    break the rule; both are None for a rule about the whole table, or if the check raised
    ``error``. ``samples`` are values that break it, ``***`` where a column is personal.
    """

    rule: str
    columns: tuple[str, ...]
    severity: Severity
    success: bool
    expected: str
    observed: str
    unexpected_count: int | None
    element_count: int | None
    expectation: str
    reason: str = ""
    owner: str = ""
    samples: tuple[Any, ...] = ()
    error: str = ""

    def __str__(self) -> str:
        of = f" of {', '.join(self.columns)}" if self.columns else ""
        notes = [self.reason, f"ask {self.owner}" if self.owner else ""]
        said = "; ".join(note for note in notes if note)
        why = f" ({said})" if said else ""
        return f"{self.rule}{of}: expected {self.expected}; came {self.observed}{why}"


@dataclass(frozen=True, slots=True)
class QualityReport:
    """All checks of one table at one version.

    ``success`` says that no check of severity error failed. ``data_docs`` is the path of the
    Great Expectations page, relative to the quality folder.
    """

    table: str
    suite: str
    success: bool
    checks: tuple[CheckOutcome, ...]
    data_docs: str = ""

    def failed(self, severity: Severity) -> tuple[CheckOutcome, ...]:
        """Give the failed checks of one severity, in the contract's order."""
        return tuple(
            check for check in self.checks if not check.success and check.severity == severity
        )


def read_report(value: dict[str, Any]) -> QualityReport:
    """Make a report from its JSON value, as ``asdict`` gives it."""
    fields: dict[str, Any] = {**value, "checks": tuple(map(_read_check, value["checks"]))}
    return QualityReport(**fields)


def _read_check(value: dict[str, Any]) -> CheckOutcome:
    fields: dict[str, Any] = {
        **value,
        "columns": tuple(value["columns"]),
        "samples": tuple(value["samples"]),
    }
    return CheckOutcome(**fields)
