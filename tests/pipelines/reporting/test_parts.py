import pytest

from pipelines.reporting.charts import Chart, draw_chart, make_ticks
from pipelines.reporting.fitted import tabulate
from pipelines.reporting.headline import say_seconds
from pipelines.reporting.model import history_lines
from pipelines.reporting.rows import draw_bar


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [
        (0.52, 0.71, [0.5, 0.55, 0.6, 0.65, 0.7, 0.75]),
        (0, 10, [0, 2.5, 5, 7.5, 10]),
        (3, 3, [3.0, 3.1]),
    ],
)
def test_ticks_are_round_and_enclose_the_values(
    low: float, high: float, expected: list[float]
) -> None:
    found = make_ticks(low, high)
    assert found[0] <= low
    assert found[-1] >= high
    if low < high:
        assert found == pytest.approx(expected)


def test_a_chart_of_nothing_finite_is_empty_and_nan_is_left_out() -> None:
    nan = float("nan")
    assert not draw_chart(Chart("t", "x", "y", {"a": [nan, nan]}))
    assert "nan" not in draw_chart(Chart("t", "x", "y", {"a": [1.0, nan, 2.0]}))


def test_a_chart_escapes_its_words() -> None:
    assert "&lt;b&gt;" in draw_chart(Chart("<b>", "x", "y", {"a": [1.0, 2.0]}))


def test_a_bar_shows_even_one_row_and_fills_the_width() -> None:
    bar = draw_bar("words", {"kept": 1_000_000, "duplicate": 0, "quarantined": 1})
    assert bar.count("<rect") == 2
    assert 'x="98.81" width="1.19"' in bar


@pytest.mark.parametrize(
    ("history", "expected"),
    [
        ({"loss": [1.0, 0.5], "note": "x"}, {"loss": [1.0, 0.5]}),
        ([{"loss": 1.0}, {"loss": 0.5, "late": 1}], {"loss": [1.0, 0.5]}),
        ({"epoch": 2, "history": [{"loss": 1.0}, {"loss": 0.5}]}, {"loss": [1.0, 0.5]}),
    ],
)
def test_a_history_of_either_shape_gives_lines(history: object, expected: object) -> None:
    assert history_lines(history) == expected


def test_states_become_tables_by_their_shape() -> None:
    state = {
        "dataset": "tiny",
        "fills": {"orders": [{"column": "x", "value": None, "by": []}]},
        "encode": {"words": {"shop": ["a"] * 10}, "scales": {"x": {"shift": 0.123456789}}},
    }
    found = [(table.title, table.header, table.rows) for table in tabulate("s", state)]
    assert found == [
        ("values", ("name", "value"), (("dataset", "tiny"),)),
        ("fills.orders", ("column",), (("x",),)),
        (
            "encode.words",
            ("name", "values", "first"),
            (("shop", "10", "a, a, a, a, a, a, a, a, … (10 in all)"),),
        ),
        ("encode.scales", ("name", "shift"), (("x", "0.123457"),)),
    ]


def test_a_long_table_is_cut_and_says_so() -> None:
    (table,) = tabulate("s", [{"a": number} for number in range(401)])
    assert (len(table.rows), table.left_out) == (400, 1)


@pytest.mark.parametrize(
    ("seconds", "expected"), [(8.25, "8.2 s"), (134.2, "2 min 14 s"), (7230, "2 h 0 min")]
)
def test_durations_are_said_as_people_do(seconds: float, expected: str) -> None:
    assert say_seconds(seconds) == expected
