"""What a page of checks shows: failed first, by severity; then what passed, by table.

A record is what one validation has left: ``validation``, ``dataset``, ``checked_at`` (ISO, UTC) and
``tables``, each with ``table``, ``layer``, ``name``, ``version``, ``rows``, ``read``,
``quarantined`` (rows by reason), ``data_docs``, ``success``, ``row_counts`` and ``checks``, which
are reports of checks with ``trace``: the number's ``values``, ``minimum`` and ``maximum``.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from markupsafe import Markup

from pipelines.reporting.advice import what_to_do, what_to_do_aside
from pipelines.reporting.headline import BAD, GOOD, WARN
from pipelines.reporting.sparkline import Line, draw_line

_MAX_SHOWN = 20
_MAX_TEXT = 200
Record = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Finding:
    """One check that failed, or one rule by which rows were set aside."""

    status: str
    rule: str
    columns: str
    table: str
    link: str
    expected: str
    came: str
    count: int | None
    total: int | None
    samples: tuple[str, ...]
    line: Markup
    why: str
    owner: str
    advice: str

    @property
    def share(self) -> float:
        """Share of rows that break the rule; 1 for a rule about the whole table."""
        if self.count is None or not self.total:
            return 1.0
        return self.count / self.total


@dataclass(frozen=True, slots=True)
class Group:
    """Findings of one severity, the greatest share of rows first."""

    title: str
    meaning: str
    status: str
    findings: tuple[Finding, ...]


@dataclass(frozen=True, slots=True)
class TableView:
    """One table version: its rows, its verdict, and the checks that it passed."""

    name: str
    version: int
    rows: int | None
    line: Markup
    link: str
    status: str
    errors: int
    warnings: int
    passed: tuple[dict[str, Any], ...]


def find_groups(records: Sequence[Record], to_docs: str) -> list[Group]:
    """Give what failed, worst severity first; empty groups are left out.

    Args:
        records: Of validations.
        to_docs: What leads from the page to the folder of the Data Docs.
    """
    tables = [(record, table) for record in records for table in record["tables"]]
    errors: list[Finding] = []
    aside: list[Finding] = []
    warned: list[Finding] = []
    for record, table in tables:
        for check in table["checks"]:
            if not check["success"]:
                is_warning = check["severity"] == "warning"
                found = _failed(record, table, check, to_docs)
                (warned if is_warning else errors).append(found)
        aside += _set_aside(record, table, to_docs)
    made = (
        ("Errors", "They close the gate: no later step reads these versions.", BAD, errors),
        ("Set aside", "These rows are in the quarantine; the others went on.", WARN, aside),
        ("Warnings", "They are shown, and the run goes on.", WARN, warned),
    )
    return [
        Group(title, meaning, status, tuple(sorted(found, key=lambda item: -item.share)))
        for title, meaning, status, found in made
        if found
    ]


def view_tables(records: Sequence[Record], to_docs: str) -> list[TableView]:
    """Give each table with what it passed, in the order in which they were checked."""
    return [_view(table, to_docs) for record in records for table in record["tables"]]


def count_failed(table: Record, severity: str) -> int:
    """Count the failed checks of a table that are warnings, or that are not."""
    return sum(
        not check["success"] and (check["severity"] == "warning") == (severity == "warning")
        for check in table["checks"]
    )


def _view(table: Record, to_docs: str) -> TableView:
    errors, warnings = count_failed(table, "error"), count_failed(table, "warning")
    status = BAD if errors else WARN if warnings else GOOD
    passed = [
        {**check, "line": _line(check, GOOD)} for check in table["checks"] if check["success"]
    ]
    return TableView(
        name=f"{table['layer']}/{table['name']}",
        version=table["version"],
        rows=table["rows"],
        line=draw_line(Line(table["row_counts"], status=status)),
        link=_link(table, to_docs),
        status=status,
        errors=errors,
        warnings=warnings,
        passed=tuple(passed),
    )


def _failed(record: Record, table: Record, check: Mapping[str, Any], to_docs: str) -> Finding:
    is_warning = check["severity"] == "warning"
    status = WARN if is_warning else BAD
    return Finding(
        status=status,
        rule=check["rule"],
        columns=", ".join(check["columns"]) or "the table",
        table=f"{table['layer']}/{table['name']}@v{table['version']}",
        link=_link(table, to_docs),
        expected=check["expected"],
        came=check["observed"],
        count=check["unexpected_count"],
        total=check["element_count"],
        samples=_samples(check["samples"]),
        line=_line(check, status),
        why=check["reason"],
        owner=check["owner"],
        advice=what_to_do(check["rule"], table["layer"], record["dataset"], is_warning=is_warning),
    )


def _set_aside(record: Record, table: Record, to_docs: str) -> list[Finding]:
    stated = {check["trace"]["name"]: check for check in table["checks"]}
    found: list[Finding] = []
    for reason, count in table["quarantined"].items():
        check = stated.get(reason, {})
        found.append(
            Finding(
                status=WARN,
                rule=check.get("rule") or reason,
                columns=", ".join(check.get("columns", ())) or "the row",
                table=f"{table['layer']}/{table['name']}@v{table['version']}",
                link=_link(table, to_docs),
                expected=check.get("expected", "a row that can be read and keeps the contract"),
                came=f"{count:,} rows set aside while the table was written",
                count=count,
                total=table["read"],
                samples=(),
                line=Markup(),
                why=check.get("reason", ""),
                owner=check.get("owner", ""),
                advice=what_to_do_aside(record["dataset"]),
            )
        )
    return found


def _samples(values: Sequence[Any]) -> tuple[str, ...]:
    """Different values, in their order; nothing for "no value", which says nothing."""
    said = [_say(value) for value in values if value is not None]
    return tuple(dict.fromkeys(said))[:_MAX_SHOWN]


def _say(value: Any) -> str:
    if isinstance(value, dict):
        value = ", ".join(f"{name} {item}" for name, item in value.items())
    said = str(value)
    said = said if said.strip() else f"{said!r}"
    return said if len(said) <= _MAX_TEXT else f"{said[:_MAX_TEXT]}..."


def _line(check: Mapping[str, Any], status: str) -> Markup:
    trace = check["trace"]
    return draw_line(Line(trace["values"], trace["minimum"], trace["maximum"], status))


def _link(table: Record, to_docs: str) -> str:
    return f"{to_docs}/{table['data_docs']}" if table["data_docs"] else ""
