"""The page as a browser shows it: Chromium renders it, and the tests read what it made."""

import json
import re
from pathlib import Path

import pytest

from pipelines import report
from pipelines.errors import ParameterError
from pipelines.report import ReportParams
from schemas.catalog import dataset
from schemas.target import Target
from tests.chromium import open_page, scroll_width, text_of
from tests.pipelines.reporting.example_labels import CATEGORIES, SPEED, write_labelled
from tests.pipelines.reporting.example_run import write_example


def _make(folder: Path, records: list[str]) -> Path:
    done = report.run(ReportParams("flights", str(folder / "lake"), tuple(records)))
    return Path(done.files["report"])


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("report")
    return _make(folder, write_example(folder))


def test_the_browser_shows_a_whole_run(page: Path, tmp_path: Path) -> None:
    document, complaints = open_page(page, tmp_path, "--dump-dom")
    assert not complaints
    text = text_of(document)
    for expected in (
        "Complete, with failures",
        dataset("flights").question,
        "Gradient-boosted trees win",
        "2 ranks. 27.0 s of epochs: 80% steps, 20% waiting for rows, 0% validation",
        "champion flights version 3",
        "ingest flights 336,776 336,767 0 9 0 ok",
        "quarantined: 3 rows, bad <encoding>",
        "filtered: 9,567 rows, no_label",
        "the aircraft & its age <matter>",
        "ask fleet & co",
        "best: epoch 4",
        "Confusion matrix of the network",
        "interpolate 55.4",
        "features/flights@v0",
        "5a1b2c3d4e5f6071",
        "batch_size 2048",
        "reused",
        "keras 3.15.1",
    ):
        assert expected in text
    assert text.index("failed check failed") < text.index("warning check warning")
    assert text.index("wind_speed") < text.index("column_0")
    assert "Not run" not in text
    assert document.count('src="data:image/png') == 5
    assert document.count('class="chart"') == 2
    link = Path(re.findall(r'href="([^"#]+raw\.html)"', document)[0])
    assert (page.parent / link).resolve() == page.parents[2] / "quality" / "docs" / "raw.html"


def test_the_page_asks_nothing_of_the_network(page: Path) -> None:
    document = page.read_text()
    assert not re.findall(r"(?:src|href|url|action)\s*[=(]\s*[\"']?(?:https?:)?//", document)
    assert "<script" not in document
    assert "@import" not in document


@pytest.mark.parametrize(
    ("target", "expected", "num_plots"),
    [
        (CATEGORIES, (
            "macro F1, network", "weighted F1", "among the first 3", "Each class, network",
            "dos & <flood>", "Confusion matrix of the network", "It passes logistic regression",
        ), 2),
        (SPEED, (
            "RMSE in mph, network", "naive forecast", "ridge regression", "R²",
            "Errors of the network", "gradient-boosted trees win: RMSE 2.", "in mph",
            "MAE, RMSE and bias are in mph",
        ), 3),
    ],
)  # fmt: skip
def test_the_browser_shows_a_label_of_another_kind(
    tmp_path: Path, target: Target, expected: tuple[str, ...], num_plots: int
) -> None:
    made = _make(tmp_path, write_labelled(tmp_path, target))
    document, complaints = open_page(made, tmp_path, "--dump-dom")
    assert not complaints
    text = text_of(document)
    for words in expected:
        assert words in text
    assert "ROC AUC, network" not in text
    # and one of what it goes by
    assert document.count('src="data:image/png') == num_plots + 1
    for width in (1280, 400):
        scroll, client = scroll_width(made, tmp_path, width)
        assert scroll <= client


@pytest.mark.parametrize("width", [1280, 400])
def test_the_page_is_no_wider_than_the_window(page: Path, tmp_path: Path, width: int) -> None:
    scroll, client = scroll_width(page, tmp_path, width)
    assert scroll <= client


@pytest.mark.parametrize(
    ("until", "missing"),
    [
        (
            "ingest",
            "deduplicate, split, impute, engineer_features, train, evaluate, explain, register",
        ),
        ("impute", "engineer_features, train, evaluate, explain, register, score"),
        ("train", "evaluate, explain, register, score"),
        ("evaluate", "explain, register, score"),
    ],
)
def test_a_partial_run_says_what_was_not_run(tmp_path: Path, until: str, missing: str) -> None:
    text = text_of(_make(tmp_path, write_example(tmp_path, until)).read_text())
    assert "Partial run" in text
    assert f"Not run: {missing}" in text
    assert ("The model was not measured" in text) == (until != "evaluate")


def test_a_run_that_stopped_says_where_and_why(tmp_path: Path) -> None:
    steps = [json.loads(Path(path).read_text()) for path in write_example(tmp_path, "split")]
    record = tmp_path / "run.json"
    error = {"step": "impute", "message": "expected values; <all> are null"}
    record.write_text(json.dumps({"steps": steps, "error": error, "command": "run flights"}))
    text = text_of(_make(tmp_path, [str(record)]).read_text())
    assert "Stopped at impute" in text
    assert "impute stopped the run: expected values; <all> are null" in text
    assert "command run flights" in text


def test_rows_that_do_not_add_up_stand_out(tmp_path: Path) -> None:
    records = write_example(tmp_path)
    value = json.loads(Path(records[0]).read_text())
    value["rows"]["weather"]["kept"] -= 5
    Path(records[0]).write_text(json.dumps(value))
    text = text_of(_make(tmp_path, records).read_text())
    assert "ingest, weather: 5 rows without a fate" in text
    assert "5 rows unexplained" in text


def test_the_page_leads_to_that_of_its_checks(tmp_path: Path) -> None:
    records = write_example(tmp_path, "split")
    (path,) = [path for path in records if "validate-raw" in path]
    value = json.loads(Path(path).read_text())
    quality = tmp_path / "lake" / "flights" / "reports" / "quality" / "runs" / "r" / "index.html"
    value["files"]["quality"] = str(quality)
    Path(path).write_text(json.dumps(value))
    made = _make(tmp_path, records)
    (link,) = re.findall(r'href="([^"]+)">The page of these checks', made.read_text())
    assert (made.parent / link).resolve() == quality


def test_the_same_records_give_the_same_page(tmp_path: Path) -> None:
    records = write_example(tmp_path)
    first = _make(tmp_path, records)
    content = first.read_text()
    assert _make(tmp_path, records) == first
    assert first.read_text() == content


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "found no file at"),
        ("not json", "expected the JSON that was written"),
        ("[1]", "expected a JSON object in .* got list"),
        ('{"a": 1}', r"expected the record of a step in .* got keys \['a'\]"),
    ],
)
def test_a_record_that_is_none_is_refused(
    tmp_path: Path, content: str | None, message: str
) -> None:
    path = tmp_path / "record.json"
    if content is not None:
        path.write_text(content)
    with pytest.raises(ParameterError, match=message):
        _make(tmp_path, [str(path)])


def test_no_record_and_records_of_another_data_set_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ParameterError, match="expected at least one JSON record"):
        _make(tmp_path, [])
    records = write_example(tmp_path, "ingest")
    value = json.loads(Path(records[0]).read_text())
    Path(records[0]).write_text(json.dumps(value | {"dataset": "taxis"}))
    with pytest.raises(ParameterError, match=r"of the data set flights; got some of \['taxis'\]"):
        _make(tmp_path, records)
