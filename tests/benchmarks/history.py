"""Measure one more run where a thousand are already: pages, Data Docs, the history of numbers.

Usage: python -m tests.benchmarks.history [--runs 1000] [--output build/benchmarks]

Earlier runs are generated: lines of the index, results and pages of Great Expectations (copies of
a real one), versions in the table of measures. Medians of five; files are counted by inotify.
"""

import argparse
import json
import re
import shutil
import statistics
import time
from collections.abc import Callable
from pathlib import Path

from pipelines.layout import Layout
from pipelines.quality.runner import Asked, Checked, check_table
from pipelines.quality.store import store_results
from pipelines.reporting.quality_site import QualitySite, add_validation
from pipelines.spark.session import spark_session
from pipelines.state import write_json
from pipelines.tables.measures_table import keep_numbers, last_versions
from pipelines.tables.version import TableVersion
from tests.benchmarks.machine import describe_machine
from tests.opened import opened
from tests.pipelines.quality.rides import GOOD, make_rows, make_spec
from tests.pipelines.quality.test_runner import ALL_CHECKS
from tests.pipelines.reporting.example_checks import keep_record, make_check, make_table
from tests.pipelines.reporting.test_quality_pages import fill

_REPEATS = 5


def main() -> None:
    """Measure each, print a Markdown table and write ``history.json``."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=1000, help="how many are there already")
    parser.add_argument("--output", default="build/benchmarks", help="folder of history.json")
    said = parser.parse_args()
    scratch = Path(said.output).absolute() / "history"
    shutil.rmtree(scratch, ignore_errors=True)
    spark = spark_session("history")

    def make(number: int) -> Checked:
        asked = Asked(f"lake/rides/raw/rides@v{number}")
        return check_table(make_rows(spark, GOOD), make_spec(*ALL_CHECKS), asked)

    checked = [make(said.runs + number) for number in range(_REPEATS)]
    found = {
        "page and index": _pages(scratch / "pages", said.runs),
        "append to measures": _measures(scratch / "measures", said.runs, is_append=True),
        "last 30 versions of measures": _measures(scratch / "read", said.runs, is_append=False),
        "Data Docs": _docs(scratch / "docs", said.runs, checked),
        "Data Docs by stock's builders": _docs(
            scratch / "stock", said.runs, checked, is_stock=True
        ),
    }
    print(f"\n| one more run after {said.runs:,} | seconds | files opened |\n|---|--:|--:|")
    for name, (seconds, files) in found.items():
        print(f"| {name} | {seconds:.3f} | {files:,} |")
    value = {"machine": describe_machine(), "runs": said.runs, "results": found}
    write_json(Path(said.output) / "history.json", value)
    shutil.rmtree(scratch)


def _measure(folder: Path, do: Callable[[int], object]) -> tuple[float, int]:
    took: list[float] = []
    for number in range(_REPEATS):
        started = time.monotonic()
        do(number)
        took.append(time.monotonic() - started)
    with opened(folder) as files:
        do(_REPEATS - 1)
    return statistics.median(took), len(files)


def _pages(folder: Path, runs: int) -> tuple[float, int]:
    site = QualitySite("rides", "Rides", folder, folder.with_name("q"), folder.with_name("d"))
    fill(site, runs)
    checks = [make_check("not_null", f"c{number}") for number in range(30)]
    name = keep_record(site, "validate-raw-1", make_table(*checks))
    made = iter(range(10 * _REPEATS))
    return _measure(folder, lambda _: add_validation(site, f"new{next(made)}", name))


def _measures(folder: Path, runs: int, *, is_append: bool) -> tuple[float, int]:
    layout = Layout(str(folder), "rides")
    path = layout.base / "raw" / "rides"
    log = path / "_delta_log"
    log.mkdir(parents=True)
    numbers: dict[str, float | None] = {f"nulls(c{number})": 0.0 for number in range(30)}

    def keep(version: int) -> None:
        commit = {"commitInfo": {"userMetadata": f"r{version}"}}
        (log / f"{version:020d}.json").write_text(json.dumps(commit))
        keep_numbers(layout, TableVersion(str(path), version), numbers, passed=True)

    for version in range(runs):
        keep(version)
    if is_append:
        made = iter(range(runs, runs + 10 * _REPEATS))
        return _measure(layout.measures, lambda _: keep(next(made)))
    table = TableVersion(str(path), runs)
    return _measure(layout.measures, lambda _: last_versions(layout, table, 5, 30))


def _docs(
    folder: Path, runs: int, checked: list[Checked], *, is_stock: bool = False
) -> tuple[float, int]:
    store_results(checked[:1], folder)
    if is_stock:
        _take_stock(folder / "great_expectations.yml")
    kept = [*(folder / "results").rglob("*.json"), *(folder / "data_docs").rglob("v*/*/*.html")]
    for number in range(1, runs):
        moment = f"20250101T{number % 24:02d}{number % 60:02d}00.{number:06d}Z"
        for file in kept:
            place = file.parents[1].with_name(f"v{number}") / moment
            place.mkdir(parents=True)
            shutil.copy(file, place / file.name)
    return _measure(folder, lambda number: store_results([checked[number]], folder))


def _take_stock(config: Path) -> None:
    """Name Great Expectations' own builders, as a project does by default."""
    text = re.sub(r"\n *module_name: pipelines.quality.site", "", config.read_text())
    text = text.replace("      validation_results_limit: 100\n", "")
    text = text.replace("KnownIndexBuilder", "DefaultSiteIndexBuilder")
    text = text.replace("NamedSectionBuilder", "DefaultSiteSectionBuilder")
    config.write_text(text)


if __name__ == "__main__":
    main()
