"""What ``methods`` does without training: every method is compared, rates and tables are right."""

import base64
import re
from pathlib import Path
from typing import Any

import pytest

from pipelines.errors import ParameterError
from pipelines.state import write_json
from pipelines.train import TrainParams
from pipelines.training.method import ACTIVATIONS, LOSSES_OF, OPTIMIZERS, SCHEDULES
from schemas.target import LabelKind
from tests.benchmarks.methods import add_seed, with_rates
from tests.benchmarks.methods_page import write_page
from tests.benchmarks.methods_table import Cell, choose_rate, make_table, to_markdown
from tests.benchmarks.methods_ways import Family, Way, families_of

_KINDS: tuple[LabelKind, ...] = ("binary", "classes", "number")


def _curve(*losses: float, **more: Any) -> dict[str, Any]:
    marks = [float(number) for number in range(1, len(losses) + 1)]
    same = {"loss": [*losses], "comparable_loss": [*losses], "training_loss": [*losses]}
    return same | {"cpu_s": marks} | more


def _way(name: str, *curves: dict[str, Any], rates: tuple[float, ...] = (0.1,)) -> dict[str, Any]:
    return {"name": name, "flags": {}, "rates": rates, "rate": rates[-1], "curves": [*curves]}


def _family(*columns: str, ways: tuple[Way, ...] = ()) -> Family:
    return Family("Ways", "all alike", ways, {}, columns)


@pytest.mark.parametrize(
    ("family", "flag", "known"),
    [
        ("optimizers", "optimizer", OPTIMIZERS),
        ("schedules", "schedule", SCHEDULES),
        ("losses", "loss", LOSSES_OF["binary"]),
        ("activations", "activation", ACTIVATIONS),
    ],
)
def test_every_method_is_compared(family: str, flag: str, known: tuple[str, ...]) -> None:
    assert {way.flags[flag] for way in families_of("binary")[family].ways} == {*known}


def test_every_loss_of_a_number_is_compared() -> None:
    ways = families_of("number")["losses"].ways
    assert tuple(way.flags["loss"] for way in ways) == LOSSES_OF["number"]


@pytest.mark.parametrize("kind", _KINDS)
def test_training_takes_the_flags_of_every_way(kind: LabelKind) -> None:
    for family in families_of(kind).values():
        names = [way.name for way in family.ways]
        assert len({*names}) == len(names)
        assert {way for ways in family.charts.values() for way in ways} <= {*names}
        for way in family.ways:
            flags: dict[str, Any] = {"patience": 0} | family.flags | way.flags
            try:
                TrainParams("flights", "features@v0", "state.json", **flags)
            except ParameterError as error:
                pytest.fail(f"{way.name}: {error}")


def test_the_rate_with_the_lowest_loss_of_any_epoch_is_chosen() -> None:
    curves = {0.1: _curve(0.6, 0.5), 0.3: _curve(0.4, 0.9), 1.0: _curve(0.5, 0.45)}
    assert choose_rate(curves) == 0.3


def test_the_rate_is_chosen_by_the_first_seed_and_ways_come_in_turns() -> None:
    asked: list[tuple[Any, ...]] = []

    class Told:
        def curve(self, flags: dict[str, Any], *, is_scored: bool) -> dict[str, Any]:
            asked.append((flags["optimizer"], flags["learning_rate"], flags["seed"]))
            assert (flags["epochs"], is_scored) == (2, False)
            # the greater rate is better for seed 4, the lesser one for seed 5
            return _curve(abs(flags["learning_rate"] - (5 - flags["seed"])))

    ways = (Way("a", {"optimizer": "sgd"}, (0.1, 1.0)), Way("b", {"optimizer": "adam"}, (0.2,)))
    told: Any = Told()
    family = _family("lowest", ways=ways)
    first = add_seed(told, family, {"epochs": 2}, 4, [])
    found = add_seed(told, family, {"epochs": 2}, 5, first)
    assert [way["rate"] for way in found] == [1.0, 0.2]
    assert [curve["loss"] for curve in found[0]["curves"]] == [[0.0], [1.0]]
    in_turns = [("sgd", 1.0, 4), ("adam", 0.2, 4), ("sgd", 1.0, 5), ("adam", 0.2, 5)]
    assert asked == [("sgd", 0.1, 4), ("sgd", 1.0, 4), ("adam", 0.2, 4), *in_turns]


def test_the_middle_rates_are_tried_first() -> None:
    family = _family("lowest", ways=(Way("a", {}, (0.1, 0.3, 1.0)), Way("b", {}, (0.2,))))
    tried = [[way.rates for way in with_rates(family, most).ways] for most in (1, 2, 3)]
    assert tried == [[(0.3,), (0.2,)], [(0.1, 0.3), (0.2,)], [(0.1, 0.3, 1.0), (0.2,)]]


def test_a_table_gives_medians_spreads_and_the_best() -> None:
    ways = [
        _way("one", _curve(0.5, 0.4, 0.6), _curve(0.9, 0.8, 0.7), _curve(0.5, 0.45, 0.5)),
        _way("two", *[_curve(0.3, 0.31, 0.32)] * 3, rates=(0.1, 0.3, 1.0)),
    ]
    heads = ("lowest", "pass of the lowest", "at the end", "CPU s a pass")
    table = make_table(_family(*heads), ways)
    assert table.heads == ("way", "rate", *heads)
    assert table.rows[0] == (
        Cell("one"), Cell("0.1"), Cell("0.4500", "0.4000 to 0.7000"), Cell("2", "2 to 3"),
        Cell("0.6000", "0.5000 to 0.7000"), Cell("1.0"),
    )  # fmt: skip
    assert table.rows[1][1:4] == (
        Cell("1, the greatest"), Cell("0.3000", is_best=True), Cell("1"),
    )  # fmt: skip
    assert to_markdown(table).splitlines()[::3] == [
        "| way | rate | lowest | pass of the lowest | at the end | CPU s a pass |",
        "| two | 1, the greatest | **0.3000** | 1 | **0.3200** | 1.0 |",
    ]


def test_rates_that_differ_are_a_column_though_none_was_chosen() -> None:
    ways = [_way("one", _curve(0.5)), _way("two", _curve(0.4), rates=(0.3,))]
    assert to_markdown(make_table(_family("lowest"), ways)).splitlines()[2:] == [
        "| one | 0.1 | 0.5000 |",
        "| two | 0.3 | **0.4000** |",
    ]


def test_figures_are_columns_and_the_greatest_median_area_wins() -> None:
    ways = [
        _way(
            name, *(_curve(0.5, figures={"roc_auc": x, "recall": 0.1, "brier": 0.2}) for x in areas)
        )
        for name, areas in (("one", (0.7, 0.95, 0.7)), ("two", (0.8, 0.8, 0.8)))
    ]
    assert to_markdown(make_table(_family(), ways)).splitlines() == [
        "| way | ROC AUC | recall |",
        "|---|--:|--:|",
        "| one | 0.7000 (0.7000 to 0.9500) | 0.1000 |",
        "| two | **0.8000** | 0.1000 |",
    ]


def test_the_page_holds_the_tables_and_pictures_of_what_was_measured(tmp_path: Path) -> None:
    # early stopping ended one of the seeds after two passes
    ways = [_way(name, _curve(0.5, 0.4, 0.45), _curve(0.6, 0.5)) for name in ("none", "patience 2")]
    budget = {"epochs": 3, "seeds": [1, 2], "where": ["a < 3"]}
    machine = {"cores": 2, "cpu": "Z80", "load_1_5_15_min": [1, 2, 3], "date": "2013-01-01"}
    measured = {"regularisation": {"machine": machine, "budget": budget, "ways": ways}}
    write_json(tmp_path / "methods.json", {"families": measured})
    said = write_page(tmp_path).read_text()
    assert "<b>0.4500</b><small>0.4000 to 0.5000</small>" in said
    assert "3 passes; seeds 1, 2; rows: a &lt; 3; 2 cores of Z80" in said
    pictures = re.findall(r"data:image/svg\+xml;base64,([^\"]+)", said)
    assert [b"<svg" in base64.b64decode(text) for text in pictures] == [True, True]
