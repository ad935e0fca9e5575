"""A study on SQLite and on PostgreSQL: what it draws, and what it remembers of a killed process."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from pipelines.layout import Layout
from pipelines.search import _database
from pipelines.tuning.space import Choice, Range
from pipelines.tuning.study import Plan, Study, why_failed

PLAN = Plan(
    {
        "momentum": Range(0.0, 1.0),
        "optimizer": Choice(("sgd", "momentum")),
        "hidden": Choice(((64,), (128, 64))),
    },
    {"momentum": ("optimizer", ("momentum",))},
    {},
    startup=2,
)
Open = Callable[..., Study]


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def database(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> tuple[str, dict[str, Any]]:
    """One of each kind: a new one takes Optuna seconds, and studies have names of their own."""
    registry = request.getfixturevalue("postgres") if request.param == "postgresql" else ""
    layout = Layout(str(tmp_path_factory.mktemp("study")), "toy")
    layout.searches.mkdir(parents=True)
    return _database(registry, layout)


@pytest.fixture
def reopen(database: tuple[str, dict[str, Any]], tmp_path: Path) -> Open:
    """Opens the study anew, as another process would."""
    url, options = database

    def opened(name: str = "", plan: Plan = PLAN) -> Study:
        return Study(url, options, f"{tmp_path.name} {name}", plan)

    return opened


def _value(parameters: dict[str, Any]) -> float:
    return abs(parameters.get("momentum", 0.4) - 0.3) + len(parameters["hidden"])


def _go_on(study: Study, most: int) -> None:
    while draw := study.draw(most):
        study.complete(draw, _value(draw.parameters))


def _tried(study: Study) -> list[dict[str, Any]]:
    return [study.parameters_of(trial) for trial in study.trials]


@pytest.mark.parametrize("sampler", ["tpe", "random"])
def test_a_study_that_goes_on_draws_what_it_would_have_drawn(reopen: Open, sampler: str) -> None:
    plan = replace(PLAN, sampler=sampler)
    whole = reopen("whole", plan)
    _go_on(whole, 14)
    for most in (3, 12, 14, 14):
        _go_on(reopen("parts", plan), most)
    assert _tried(reopen("parts", plan)) == _tried(whole)
    assert len({str(point) for point in _tried(whole)}) > 3
    other = reopen("other", replace(plan, seed=2))
    _go_on(other, 14)
    assert _tried(other) != _tried(whole)


def test_what_counts_for_nothing_is_not_drawn_and_lists_come_back(reopen: Open) -> None:
    study = reopen()
    _go_on(study, 12)
    for parameters in _tried(study):
        assert ("momentum" in parameters) == (parameters["optimizer"] == "momentum")
        assert parameters["hidden"] in ((64,), (128, 64))


def test_a_grid_is_tried_once_and_then_over(reopen: Open) -> None:
    space = {**PLAN.space, "momentum": Choice((0.5, 0.9))}
    plan = replace(PLAN, space=space, sampler="grid")
    _go_on(reopen("", plan), 2)
    _go_on(reopen("", plan), 100)
    tried = [str(point) for point in _tried(reopen("", plan))]
    assert len(tried) == len(set(tried)) == 6


def test_a_trial_of_a_process_that_is_gone_is_failed_and_tried_again(reopen: Open) -> None:
    drawn = reopen().draw(3)
    assert drawn
    again = reopen()
    assert again.recover() == 1
    assert again.recover() == 0
    retried = again.draw(3)
    assert retried
    assert retried.parameters == drawn.parameters
    again.complete(retried, 1.0)
    _go_on(again, 3)
    states = [trial.state.name for trial in again.trials]
    # three were asked for; the one that was cut short does not count
    assert states == ["FAIL", "COMPLETE", "COMPLETE", "COMPLETE"]
    assert why_failed(again.trials[0]) == "the search was stopped"


def test_a_kill_between_the_new_trial_and_the_old_ones_end_forgets_and_doubles_nothing(
    reopen: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    reopen().draw(1)
    killed = reopen()
    monkeypatch.setattr(killed, "_fail", lambda *_: None)
    killed.recover()
    study = reopen()
    study.recover()
    _go_on(study, 1)
    assert [trial.state.name for trial in study.trials] == ["FAIL", "COMPLETE"]


def test_a_trial_whose_ranks_were_killed_is_tried_once_more(reopen: Open) -> None:
    study = reopen()
    for is_again in (True, False):
        draw = study.draw(1)
        assert draw
        assert study.fail(draw, "rank 0 was ended by SIGKILL", is_lost=True) is is_again
    assert study.draw(1) is None
    assert [why_failed(trial) for trial in study.trials] == ["rank 0 was ended by SIGKILL"] * 2


def test_a_trial_that_fails_by_itself_is_not_tried_again(reopen: Open) -> None:
    study = reopen()
    draw = study.draw(1)
    assert draw
    assert not study.fail(draw, "the loss is NaN", is_lost=False)
    assert study.draw(1) is None
    assert study.best() is None
    assert study.importance() == {}


@pytest.mark.parametrize(("is_more", "figure"), [(False, 0.9), (True, 0.1)])
def test_the_median_gives_up_a_trial_that_is_worse_than_most(
    reopen: Open, is_more: Any, figure: float
) -> None:
    study = reopen("", replace(PLAN, is_greater_better=is_more))
    for value in (0.5, 0.6):
        draw = study.draw(9)
        assert draw
        assert not study.report(draw, 1, value)
        study.complete(draw, value)
    bad, good = study.draw(9), study.draw(9)
    assert bad
    assert good
    assert study.report(bad, 1, figure)
    study.prune(bad)
    assert not study.report(good, 1, 1 - figure)
    assert [trial.state.name for trial in study.trials] == [
        "COMPLETE", "COMPLETE", "PRUNED", "RUNNING",
    ]  # fmt: skip
    never = reopen("never", replace(PLAN, pruner="none", startup=1))
    for value in (0.5, 9.0):
        draw = never.draw(9)
        assert draw
        assert not never.report(draw, 1, value)
        never.complete(draw, value)


def test_the_best_and_what_mattered(reopen: Open) -> None:
    space = {name: PLAN.space[name] for name in ("momentum", "hidden")}
    study = reopen("", replace(PLAN, space=space, conditions={}, sampler="random"))
    while draw := study.draw(20):
        study.complete(draw, abs(draw.parameters["momentum"] - 0.3))
    best = study.best()
    assert best
    assert best.value == min(trial.value or 0 for trial in study.trials)
    importance = study.importance()
    # the figure does not hang on the width
    assert importance["momentum"] > 5 * importance["hidden"]
    assert sum(importance.values()) == pytest.approx(1)


def test_models_and_trials_share_a_database(postgres: str, tmp_path: Path) -> None:
    from pipelines.registry import store  # noqa: PLC0415  MLflow takes seconds to load

    layout = Layout(str(tmp_path), "toy")
    url, options = _database(postgres, layout)
    Study(url, options, "before the models", PLAN)
    registry = store.open_registry(postgres, tmp_path / "registry")
    assert store.find_champion(registry, "nothing") is None
    assert Study(*_database(postgres, layout), "after them", PLAN).trials == []
