"""The page of ``methods``: a table and curves for each family in ``methods.json``.

Usage: python -m tests.benchmarks.methods_page FOLDER
"""

import base64
import re
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipelines.reporting.templates import open_template
from pipelines.state import read_json
from tests.benchmarks.methods_plot import draw
from tests.benchmarks.methods_table import Table, make_table
from tests.benchmarks.methods_ways import Family, families_of

_TEMPLATE = Path(__file__).with_name("methods.html")


@dataclass(frozen=True, slots=True)
class Part:
    """What the page shows of one family; ``pictures`` are addresses by title."""

    name: str
    family: Family
    measured: dict[str, Any]
    table: Table
    pictures: dict[str, str]


def write_page(folder: Path) -> Path:
    """Draw the pictures of what ``folder`` says was measured, and put all on one page."""
    families = families_of("binary")
    measured = read_json(folder / "methods.json")["families"]
    parts = [_part(name, families[name], found, folder) for name, found in measured.items()]
    # a benchmark's template stays beside it, and begins with the head of the reports
    environment = open_template("head.html").environment
    page = folder / "index.html"
    page.write_text(environment.from_string(_TEMPLATE.read_text()).render(parts=parts))
    return page


def _part(name: str, family: Family, measured: dict[str, Any], folder: Path) -> Part:
    by_name = {way["name"]: way for way in measured["ways"]}
    pictures: dict[str, str] = {}
    for title, names in family.charts.items():
        path = folder / f"{re.sub(r'[^a-z]+', '-', title.lower())}.svg"
        draw(title, [by_name[way] for way in names if way in by_name], path)
        # inside of the page, as the head asks; the marks of one don't meet those of another
        pictures[title] = (
            "data:image/svg+xml;base64," + base64.b64encode(path.read_bytes()).decode()
        )
    return Part(name, family, measured, make_table(family, measured["ways"]), pictures)


if __name__ == "__main__":
    print(write_page(Path(sys.argv[1])))
