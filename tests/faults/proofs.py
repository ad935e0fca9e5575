"""A pytest plugin: which lines of the catalogues the tests that ran have shown to hold.

Loaded by infra/bin/faults. A test bears the numbers of what it shows by the marker ``proves``, and
records what it has counted as a figure: ``record_property("kill points", 20)``.
"""

import json
import os
import re
from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest

from tests.faults import injections, inputs, security
from tests.faults.line import Line

LINES: dict[str, Line] = {**injections.LINES, **inputs.LINES, **security.LINES}
HELD, FAILED, NOT_SHOWN = "held", "failed", "NOT SHOWN"
_FOLDER = "build/faults"


def order(number: str) -> tuple[int, int]:
    """Give the place of a line: F before B before S, each by its number."""
    found = re.fullmatch(r"([FBS])(\d+)", number)
    if not found:
        raise pytest.UsageError(f"expected a line's number like F1, B1 or S1; got {number!r}")
    return "FBS".index(found[1]), int(found[2])


class Proofs:
    """What each test proves and how it ended."""

    def __init__(self) -> None:
        self.proves: dict[str, tuple[str, ...]] = {}
        self.ended: dict[str, str] = {}
        self.figures: dict[str, Any] = {}

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        for item in session.items:
            marked = [mark.args for mark in item.iter_markers("proves")]
            self.proves[item.nodeid] = tuple(number for args in marked for number in args)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.outcome != "passed":
            self.ended[report.nodeid] = FAILED
        elif report.when == "call":
            self.ended.setdefault(report.nodeid, HELD)
            self.figures |= dict(report.user_properties)

    def results(self) -> list[dict[str, Any]]:
        """Give one row for each line of the catalogues, in their order."""
        rows: list[dict[str, Any]] = []
        for number in sorted(LINES, key=order):
            mine = [test for test, numbers in self.proves.items() if number in numbers]
            ends = [self.ended[test] for test in mine if test in self.ended]
            result = NOT_SHOWN if not ends else FAILED if FAILED in ends else HELD
            line = LINES[number]._asdict()
            rows.append({"number": number, **line, "cases": len(ends), "result": result})
        return rows

    @pytest.hookimpl(wrapper=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> Generator[None]:
        yield
        if session.config.option.collectonly:
            return
        rows = self.results()
        write(Path(session.config.rootpath, _FOLDER), rows, self.figures)
        if any(row["result"] != HELD for row in rows) and not session.exitstatus:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        if terminalreporter.config.option.collectonly:
            return
        rows = self.results()
        for row in rows:
            if row["result"] != HELD:
                terminalreporter.write_line(f"{row['number']} {row['result']}: {row['injected']}")
        held = sum(row["result"] == HELD for row in rows)
        cases = len(self.ended)
        terminalreporter.write_line(
            f"{held} of {len(rows)} lines held, {cases} cases; {_FOLDER}/table.md"
        )


def write(folder: Path, rows: list[dict[str, Any]], figures: dict[str, Any]) -> None:
    """Write ``results.json`` and ``table.md``, each whole or not at all."""
    folder.mkdir(parents=True, exist_ok=True)
    value = {"lines": rows, "figures": dict(sorted(figures.items()))}
    _replace(folder / "results.json", json.dumps(value, indent=2) + "\n")
    _replace(folder / "table.md", table(rows, figures))


def table(rows: list[dict[str, Any]], figures: dict[str, Any]) -> str:
    """Give the page of one row for each line, and of the figures that tests recorded."""
    lines = ["| | injected | promised | cases | result |", "|---|---|---|--:|---|"]
    names = ("number", "injected", "promised", "cases", "result")
    lines += [f"| {' | '.join(_cell(row[name]) for name in names)} |" for row in rows]
    if figures:
        lines += ["", "| figure | |", "|---|--:|"]
        lines += [f"| {_cell(name)} | {_cell(figures[name])} |" for name in sorted(figures)]
    return "\n".join(lines) + "\n"


def _cell(value: Any) -> str:
    return (f"{value:,}" if isinstance(value, int) else str(value)).replace("|", "\\|")


def _replace(path: Path, text: str) -> None:
    scratch = path.with_name(f".{path.name}.{os.getpid()}")
    scratch.write_text(text)
    scratch.replace(path)


def pytest_configure(config: pytest.Config) -> None:
    config.pluginmanager.register(Proofs(), "proofs")
