import re
from dataclasses import asdict
from pathlib import Path

import pytest

from pipelines import report
from pipelines.report import ReportParams
from pipelines.reporting.effects import draw_effect, scale_of
from pipelines.reporting.explanation import say_check
from pipelines.state import write_json
from tests.chromium import open_page, scroll_width, text_of
from tests.pipelines.reporting.example_explanation import HOSTILE, write_explanation


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("explained")
    record = folder / "explain.json"
    write_json(record, asdict(write_explanation(folder / "explanation")))
    done = report.run(ReportParams("flights", str(folder / "lake"), (str(record),)))
    return Path(done.files["report"])


@pytest.fixture(scope="module")
def document(page: Path, tmp_path_factory: pytest.TempPathFactory) -> str:
    found, complaints = open_page(page, tmp_path_factory.mktemp("chrome"), "--dump-dom")
    assert not complaints
    return found


def test_the_browser_shows_what_the_model_goes_by(document: str) -> None:
    text = text_of(document)
    for expected in (
        "On 4,000 rows of the validation split, drawn from 27,000",
        "dep_delay dep_delay_num, dep_delay_log 0.0920 0.0680 to 0.1200",
        "7 more columns",
        "joined from weather (9) temp, visib 0.0512 0.0400 to 0.0600",
        "ROC AUC of that one: 0.4897",
        "The rank correlation with the same network of shuffled weights is 0.03, so it depends on",
        "dep_delay 0.2000 more with a higher value (+0.90)",
        "(checked on each row)",
        "Surest of 1, and wrong",
        "The model says 1, probability 0.970 ; it is 0 . flight 4312",
        "carrier *** -0.0500 +0.0500",
        "R² 0.31, too poor to lean on",
        "fog +0.700 9",
        "0.92: it hardly depends on what was learned, so trust it little",
        f"thick +0.20 {HOSTILE} +2.50 today on -1.50",
        "Personal: its words are not told",
        "Pixels: middle 40%. Grad-CAM: upper left 60%.",
        "nothing is left to compare",
    ):
        assert expected in text
    assert len(re.findall(r'<img src="data:image/png', document)) == 1
    assert 'alt="Image; what its pixels add, most in middle 40%;' in document


def test_a_hostile_word_stays_a_word(document: str) -> None:
    assert "<img src=x" not in document
    assert "onerror=alert(1)&gt;" in document
    assert "<script" not in document


@pytest.mark.parametrize("width", [1280, 400])
def test_the_page_is_no_wider_than_the_window(page: Path, tmp_path: Path, width: int) -> None:
    scroll, client = scroll_width(page, tmp_path, width)
    assert scroll <= client


def test_a_bar_goes_from_nothing_to_its_value_and_its_interval_lies_on_it() -> None:
    scale = scale_of([-1.0, 3.0])
    assert (scale.low, scale.high) == (-1, 3)
    drawn = draw_effect(scale, 1.0, (0.0, 2.0))
    assert '<rect x="25.00" y="1.5" width="25.00" height="7" fill="#D55E00"/>' in drawn
    assert '<rect x="25.00" y="4.4" width="50.00"' in drawn
    taken = draw_effect(scale, -1.0)
    assert '<rect x="0.00" y="1.5" width="25.00" height="7" fill="#0072B2"/>' in taken


def test_no_value_at_all_is_no_division_by_zero() -> None:
    assert 'width="0.00"' in draw_effect(scale_of([]), 0.0)


def test_a_map_that_learned_nothing_is_told() -> None:
    assert "trust it little" in say_check(0.51)
    assert "so it depends" in say_check(-0.2)
