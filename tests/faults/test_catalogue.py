"""Each line of the catalogues is borne by a test, and each test's number stands in a catalogue."""

import ast
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.faults import injections, inputs, security
from tests.faults.proofs import LINES, order

TESTS = Path(__file__).parents[1]
EXAMPLE = """
import pytest

@pytest.mark.proves("F1")
def test_one() -> None:
    pass

@pytest.mark.parametrize("n", [1, pytest.param(2, marks=pytest.mark.proves("F2"))])
def test_two(n: int, record_property) -> None:
    record_property("kill points", 20)
    assert n == 1
"""


def marks(source: str) -> Iterator[tuple[int, Any]]:
    """Give line and argument of each mark in a module; the argument is None if it is computed."""
    for node in ast.walk(ast.parse(source)):
        if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute):
            continue
        if node.func.attr == "proves":
            for argument in node.args:
                yield node.lineno, argument.value if isinstance(argument, ast.Constant) else None


def test_marks_are_found_wherever_they_stand() -> None:
    assert set(marks(EXAMPLE)) == {(4, "F1"), (8, "F2")}
    assert list(marks("pytestmark = pytest.mark.proves(name)")) == [(1, None)]


def test_each_line_has_a_test_and_no_test_names_an_unknown_line() -> None:
    found: set[str] = set()
    unknown: list[str] = []
    for path in sorted(TESTS.rglob("test_*.py")):
        for line, number in marks(path.read_text()):
            found.add(str(number))
            if number not in LINES:
                unknown.append(f"{path.relative_to(TESTS)}:{line}: {number}")
    assert not unknown
    assert sorted(set(LINES) - found, key=order) == []


@pytest.mark.parametrize("catalogue", [injections.LINES, inputs.LINES, security.LINES])
def test_a_catalogue_is_in_the_order_of_its_numbers(catalogue: dict[str, Any]) -> None:
    assert list(catalogue) == sorted(catalogue, key=order)


def test_the_command_says_what_held_what_failed_and_what_no_test_has_shown(tmp_path: Path) -> None:
    (tmp_path / "test_example.py").write_text(EXAMPLE)
    (tmp_path / "pytest.ini").write_text("[pytest]\nmarkers = proves\n")
    command = [sys.executable, "-m", "pytest", "-p", "tests.faults.proofs", "-m", "proves"]
    done = subprocess.run(
        [*command, "-p", "no:cacheprovider", "--rootdir", str(tmp_path), str(tmp_path)],
        cwd=TESTS.parent,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1, done.stdout + done.stderr
    made = json.loads((tmp_path / "build" / "faults" / "results.json").read_text())
    results = {row["number"]: (row["cases"], row["result"]) for row in made["lines"]}
    assert results["F1"] == (1, "held")
    assert results["F2"] == (1, "failed")
    assert results["F3"] == (0, "NOT SHOWN")
    assert made["figures"] == {}
    assert "F3 NOT SHOWN" in done.stdout
    page = (tmp_path / "build" / "faults" / "table.md").read_text()
    assert "| F1 |" in page
