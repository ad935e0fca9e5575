import math
import re
import subprocess
from pathlib import Path

import great_expectations
import pytest
from pyspark.sql import SparkSession

from pipelines.quality.report import QualityReport
from pipelines.quality.runner import Asked, Checked, check_table
from pipelines.quality.site import keep_lines
from pipelines.quality.store import store_results
from pipelines.state import read_json
from schemas.contract import Check
from tests.opened import opened
from tests.pipelines.quality.rides import GOOD, Rows, make_rows, make_spec

TABLE = "lake/rides/raw/rides@v7"
ROWS: Rows = [(1, "planted-name", "<script>boo()</script>", math.nan, 1)] * 2
CHECKS = (
    Check("unique", ("rider",)),
    Check("unique", ("ride_id", "rider")),
    Check("matches", ("rider",), pattern="^[A-Z]$"),
    Check("sql", sql="CAST(rider AS int) = 1"),
    Check("in_set", ("city",), values=("Oslo",)),
    Check("unique", ("city", "seats")),
    Check("finite", ("fare",)),
    Check("not_null", ("city",)),
    Check("quantile", ("seats",), quantile=0.5, minimum=1, maximum=1),
)


@pytest.fixture(scope="module")
def checked(spark: SparkSession) -> Checked:
    return check_table(make_rows(spark, ROWS), make_spec(*CHECKS), Asked(TABLE))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("quality")


@pytest.fixture(scope="module")
def report(checked: Checked, folder: Path) -> QualityReport:
    return store_results([checked], folder)[0]


def test_a_result_gets_a_page_named_by_table_and_version(
    report: QualityReport, folder: Path
) -> None:
    assert report.data_docs.startswith("data_docs/validations/rides/raw/rides/v7/")
    assert TABLE in (folder / report.data_docs).read_text()
    assert f'href="{report.data_docs.removeprefix("data_docs/")}"' in index(folder)


def test_a_personal_value_is_nowhere_in_the_folder(report: QualityReport, folder: Path) -> None:
    files = [path for path in folder.rglob("*") if path.is_file()]
    assert len(files) > 5
    assert [path for path in files if b"planted-name" in path.read_bytes()] == []
    assert "planted-name" not in str(report)


@pytest.mark.proves("B42")
def test_sampled_values_are_text_in_the_page(report: QualityReport, folder: Path) -> None:
    page = (folder / report.data_docs).read_text()
    assert "<script>boo" not in page
    assert page.count("&lt;script&gt;boo") == 2
    assert ">NaN<" in page


def test_no_page_fetches_anything(report: QualityReport, folder: Path) -> None:
    pages = list((folder / "data_docs").rglob("*.html"))
    assert len(pages) == 3
    for page in pages:
        assert re.findall(r"(?:https?:)?//[^\s\"'<]+", page.read_text()) == []


def test_the_project_can_be_opened_and_reports_nothing(report: QualityReport, folder: Path) -> None:
    context = great_expectations.get_context(context_root_dir=str(folder), mode="file")
    assert context.config.analytics_enabled is False
    assert len(context.suites.get("rides.raw.rides").expectations) == len(CHECKS) + 1
    assert len(context.validation_results_store.list_keys()) == 1


def test_later_results_join_the_index_and_leave_earlier_pages_alone(
    spark: SparkSession, tmp_path: Path
) -> None:
    spec = make_spec(Check("columns"))
    good = [check_table(make_rows(spark, GOOD), spec, Asked(f"rides@v{n}")) for n in range(2)]
    first = store_results(good[:1], tmp_path)[0]
    before = (tmp_path / first.data_docs).stat().st_mtime_ns
    second = store_results(good[1:], tmp_path)[0]
    links = re.findall(r'href="(validations/[^"]*)"', index(tmp_path))
    assert [f"data_docs/{link}" for link in links] == [second.data_docs, first.data_docs]
    assert (tmp_path / first.data_docs).stat().st_mtime_ns == before


@pytest.mark.proves("F1")
@pytest.mark.parametrize("left", [0, 100])
def test_half_a_suite_of_a_process_that_was_killed_is_written_anew(
    checked: Checked, left: int, tmp_path: Path
) -> None:
    store_results([checked], tmp_path)
    (suite,) = (tmp_path / "suites").rglob("*.json")
    whole = suite.read_bytes()
    suite.write_bytes(whole[:left])
    (again,) = store_results([checked], tmp_path)
    assert len(suite.read_bytes()) == len(whole)
    assert (tmp_path / again.data_docs).is_file()


def test_one_more_result_opens_none_that_was_there(spark: SparkSession, tmp_path: Path) -> None:
    spec = make_spec(Check("columns"))
    for number in range(3):
        later = check_table(make_rows(spark, GOOD), spec, Asked(f"lake/rides/raw/rides@v{number}"))
        with opened(tmp_path) as files:
            store_results([later], tmp_path)
        places, ends = ("results/", "data_docs/validations/"), (".json", ".html")
        assert [path for path in files if path.startswith(places) and path.endswith(ends)] == []
        assert index(tmp_path).count('href="validations') == number + 1


def test_the_index_lists_the_last_hundred(tmp_path: Path) -> None:
    for number in range(3):
        lines = [{"key": [number, place], "success": True, "table": "t"} for place in range(60)]
        keep_lines(tmp_path, lines)
    kept = [line["key"] for line in read_json(tmp_path / "data_docs_index.json")]
    assert len(kept) == 100
    assert (kept[0], kept[60], kept[99]) == ([2, 0], [1, 0], [1, 39])


def test_the_page_shows_each_verdict_in_a_browser(
    report: QualityReport, folder: Path, tmp_path: Path
) -> None:
    shown = in_browser(folder / report.data_docs, tmp_path)
    assert shown.count("text-danger") >= len(report.failed("error"))
    assert "2 unexpected values found." in shown
    assert "***" in shown


def in_browser(page: Path, profile: Path) -> str:
    """The page as headless Chromium holds it after its scripts have run."""
    flags = ["--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={profile}"]
    made = subprocess.run(
        ["chromium", *flags, "--dump-dom", page.as_uri()],
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )
    return made.stdout


def index(folder: Path) -> str:
    return (folder / "data_docs" / "index.html").read_text()
