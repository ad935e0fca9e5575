"""Pages of checks made of records, without Spark."""

import re
from pathlib import Path

import pytest

from pipelines.reporting.advice import what_to_do
from pipelines.reporting.quality_site import QualitySite, add_validation, refresh_index
from pipelines.reporting.quality_view import find_groups
from pipelines.reporting.sparkline import Line, draw_line
from pipelines.state import read_json, write_json
from tests.chromium import open_page, scroll_width, text_of
from tests.opened import opened
from tests.pipelines.reporting.example_checks import keep_record, make_check, make_table, make_trace

IMAGE = "<img src=x onerror=alert(1)>"
ERROR = make_check(
    "in_set", "city", success=False, observed="25 of 1000 rows that break it", unexpected_count=25,
    samples=["=cmd|' /C calc'!A0", IMAGE, IMAGE],
    reason="where we <drive>", owner="Ops & co", expected="one of Oslo, Rome",
    trace=make_trace("in_set(city)", None, 0.0, 1.0, 25.0),
)  # fmt: skip
WARNING = make_check("between", "fare", success=False, severity="warning", unexpected_count=990)
WORSE = make_check("row_count", success=False, unexpected_count=None, element_count=None)
ASIDE = make_check("between", "seats", reason="a typing error")


@pytest.fixture
def site(tmp_path: Path) -> QualitySite:
    base = tmp_path / "lake" / "rides"
    places = (base / "reports" / "quality", base / "quality", base / "reports" / "drift")
    return QualitySite("rides", "Rides <of> the city", *places)


def test_what_failed_comes_first_by_severity_and_share(site: QualitySite, tmp_path: Path) -> None:
    table = make_table(
        WARNING, make_check("not_null", "fare"), ERROR, WORSE, ASIDE,
        read=1002, quarantined={"between(seats)": 2, "type:<seats>": 1},
    )  # fmt: skip
    page = add_validation(site, "tuesday", keep_record(site, "validate-raw-1", table))
    document, complaints = open_page(page, tmp_path, "--dump-dom")
    assert not complaints
    said = text_of(document)
    for expected in (
        "Rides <of> the city: 2 checks failed",
        "raw/rides@v30 must not be used: the gate is closed, and no later step reads it.",
        "Errors: 2",
        "Samples =cmd|' /C calc'!A0 <img src=x onerror=alert(1)> What to do",
        "25 of 1,000 rows 2.5 %",
        "Why it matters where we <drive>",
        "Ask Ops & co",
        "2 rows set aside while the table was written",
        "type:<seats> of the row",
        "Passed: 2",
    ):
        assert expected in said
    order = ["Errors: 2", "row_count of the table", "in_set of city", "Set aside: 2", "Warnings: 1"]
    assert sorted(order, key=said.index) == order
    assert "<img" not in document
    assert 'href="../../../../quality/data_docs/rides.html"' in document


@pytest.mark.parametrize("width", [1280, 400])
def test_the_pages_are_no_wider_than_the_window(
    site: QualitySite, tmp_path: Path, width: int
) -> None:
    long = make_check(
        "sql", success=False, expected="x" * 300, samples=["y" * 300], reason="z " * 9
    )
    tables = (make_table(long, ERROR), make_table(ERROR, name="n" * 80))
    name = keep_record(site, "validate-raw-1", *tables)
    page = add_validation(site, "scheduled__2026-11-29T06:00:00+00:00", name)
    for made in (page, site.folder / "index.html"):
        scroll, client = scroll_width(made, tmp_path, width)
        assert scroll <= client


def test_no_page_asks_anything_of_the_network(site: QualitySite) -> None:
    page = add_validation(site, "a", keep_record(site, "a", make_table(ERROR)))
    for made in (page, site.folder / "index.html"):
        document = made.read_text()
        assert not re.findall(r"(?:src|href|url|action)\s*[=(]\s*[\"']?(?:https?:)?//", document)
        assert "<script" not in document
        assert "default-src 'none'" in document


def test_a_run_gathers_its_validations_and_has_one_line(site: QualitySite) -> None:
    first = keep_record(site, "validate-raw-1", make_table(ASIDE))
    second = keep_record(site, "validate-imputed-22", make_table(ERROR, layer="imputed", rows=990))
    page = add_validation(site, "monday", first)
    assert "all checks passed" in page.read_text()
    for _ in range(2):
        assert add_validation(site, "monday", second) == page
    said = text_of(page.read_text())
    assert said.count("raw/rides@v30") >= 1
    assert said.count("imputed/rides@v30") >= 1
    (line,) = read_json(site.folder / "entries" / "00000.json")
    at = line.pop("at")
    assert at.endswith("+00:00")
    assert line == {
        "run": "monday", "verdict": "bad", "errors": 1, "warnings": 0, "set_aside": 0, "checks": 2,
        "tables": 2, "table": "imputed/rides", "version": 30, "rows": 990,
    }  # fmt: skip


def fill(site: QualitySite, count: int) -> None:
    """Runs of which only the lines are there, as many as ``count``."""
    line = {
        "at": "2026-11-01T06:00:00+00:00", "verdict": "good", "errors": 0, "warnings": 0,
        "set_aside": 0, "checks": 9, "tables": 1, "table": "raw/rides", "version": 3, "rows": 1000,
    }  # fmt: skip
    for number in range(0, count, 100):
        lines = [{"run": f"r{n}", **line} for n in range(number, min(number + 100, count))]
        write_json(site.folder / "entries" / f"{number // 100:05d}.json", lines)


@pytest.mark.parametrize("count", [150, 1050])
def test_one_more_run_opens_as_few_files_however_many_there_are(
    site: QualitySite, count: int
) -> None:
    fill(site, count)
    name = keep_record(site, "validate-raw-1", make_table(ERROR))
    last = (count - 1) // 100
    for number in range(2):
        run = f"new{number}"
        with opened(site.folder) as files:
            add_validation(site, run, name)
        assert {path for path in files if path.endswith(".json")} == {
            "validations/validate-raw-1.json",
            f"entries/{last:05d}.json",
            f"entries/{last - 1:05d}.json",
        }
    index = text_of((site.folder / "index.html").read_text())
    assert index.count("raw/rides@v3") == 152
    assert f"page {last - 1}" in index if last > 1 else "Older runs" not in index


def test_full_files_of_lines_have_a_page_and_old_runs_keep_their_place(site: QualitySite) -> None:
    fill(site, 299)
    name = keep_record(site, "validate-raw-1", make_table(ERROR))
    add_validation(site, "last", name)
    assert "runs/last/" in (site.folder / "index-00002.html").read_text()
    add_validation(site, "next", name)
    assert [item["run"] for item in read_json(site.folder / "entries" / "00003.json")] == ["next"]
    write_json(site.page_path("r7").with_name("run.json"), {"run": "r7", "validations": {}})
    add_validation(site, "r7", name)
    lines = read_json(site.folder / "entries" / "00000.json")
    assert [line["errors"] for line in lines[6:9]] == [0, 1, 0]
    assert 'href="runs/r7/' in (site.folder / "index-00000.html").read_text()


def test_a_run_that_was_killed_before_it_was_entered_is_entered_when_repeated(
    site: QualitySite,
) -> None:
    name = keep_record(site, "validate-raw-1", make_table(ERROR))
    page = add_validation(site, "monday", name)
    (site.folder / "index.html").unlink()
    assert add_validation(site, "monday", name) == page
    assert (site.folder / "index.html").read_text().count("runs/monday/index.html") >= 1
    assert len(read_json(site.folder / "entries" / "00000.json")) == 1


def test_a_validation_that_was_made_anew_changes_the_page(site: QualitySite) -> None:
    name = keep_record(site, "validate-raw-1", make_table(ASIDE))
    page = add_validation(site, "monday", name)
    record = read_json(site.record_path(name))
    table = make_table(ASIDE, data_docs="data_docs/new.html")
    made = {**record, "checked_at": "2026-11-30T06:00:00+00:00", "tables": [table]}
    write_json(site.record_path(name), made)
    add_validation(site, "monday", name)
    assert "data_docs/new.html" in page.read_text()
    assert len(read_json(site.folder / "entries" / "00000.json")) == 1


def test_pages_of_drift_are_linked_and_what_cannot_be_read_is_left_out(site: QualitySite) -> None:
    for number in range(25):
        folder = site.drift / f"d{number:02d}"
        folder.mkdir(parents=True)
        (folder / "index.html").write_text("drift")
        said = {"features": f"features/rides@v{number}", "reference": "v0", "verdict": "<drifted>"}
        write_json(folder / "drift.json", {**said, "checked_at": "2026-11-29T06:00:00+00:00"})
    (site.drift / "broken").mkdir()
    (site.drift / "broken" / "drift.json").write_text("{")
    document = refresh_index(site).read_text()
    links = re.findall(r'href="(\.\./drift/[^"]+)"', document)
    assert 19 <= len(links) <= 20
    assert (site.folder / links[0]).resolve().is_file()
    assert "&lt;drifted&gt;" in document


def test_a_line_of_too_little_is_empty_and_a_far_bound_is_left_out() -> None:
    assert not draw_line(Line([None, 5.0]))
    assert draw_line(Line([1.0, 2.0], 0.5, 1e9)).count('class="bound"') == 1
    assert "3 versions, 1 to 3, now 3" in draw_line(Line([1.0, None, 2.0, 3.0]))


def test_advice_names_the_step_and_the_contract() -> None:
    said = what_to_do("not_null", "imputed", "rides")
    assert "run impute again" in said
    assert "schemas/rides.py" in said
    assert "nothing has to be done" in what_to_do("not_null", "raw", "rides", is_warning=True)


def test_nothing_failed_is_no_group() -> None:
    assert find_groups([{"dataset": "rides", "tables": [make_table(ASIDE)]}], "..") == []
