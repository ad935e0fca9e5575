"""Rates that follow the loss: their rules on literal losses, and their state."""

import doctest

import pytest

from pipelines.errors import ParameterError
from pipelines.training import learning_rate
from pipelines.training.learning_rate import Dynamic, Factor, Plateau, make_learning_rate
from pipelines.training.method import SCHEDULES, Method


def test_the_examples_of_the_docstrings_hold() -> None:
    assert doctest.testmod(learning_rate).failed == 0


@pytest.mark.parametrize(
    ("losses", "scales"),
    [
        ([0.5, 0.4, 0.3, 0.2], [1, 1, 1, 1]),
        ([0.5, 0.5, 0.5, 0.5, 0.5], [1, 1, 0.1, 0.1, 0.01]),
        ([0.5, 0.6, 0.4, 0.4, 0.41, 0.39], [1, 1, 1, 1, 0.1, 0.1]),
    ],
)
def test_a_plateau_lowers_the_rate_after_two_epochs_without_a_better_one(
    losses: list[float], scales: list[float]
) -> None:
    plateau, found = Plateau(patience=2, factor=0.1), []
    for loss in losses:
        plateau.after_step(9.9, 1)  # the training loss does not count
        plateau.after_epoch(loss)
        found.append(plateau.scale)
    assert found == pytest.approx(scales)


def test_a_plateau_never_goes_below_a_thousandth() -> None:
    plateau = Plateau(patience=1, factor=0.1)
    for _ in range(9):
        plateau.after_epoch(0.5)
    assert plateau.scale == 0.001


def test_the_dynamic_rate_compares_windows_by_the_mean_of_their_rows() -> None:
    dynamic, found = Dynamic(window=2, rise=1.5, fall=0.5), []
    # means of windows: 2/10, (1 + 1)/8 = 0.25, (0.3 + 1.7)/20 = 0.1, 0.1, 0.05
    steps = [
        (1, 5),
        (1, 5),
        (1, 4),
        (1, 4),
        (0.3, 3),
        (1.7, 17),
        (1, 10),
        (1, 10),
        (1, 20),
        (1, 20),
    ]
    for loss_sum, rows in steps:
        dynamic.after_step(loss_sum, rows)
        dynamic.after_epoch(9.9)  # the validation loss does not count
        found.append(dynamic.scale)
    assert found == pytest.approx([1, 1, 1, 0.5, 0.5, 0.75, 0.75, 0.375, 0.375, 0.5625])


@pytest.mark.parametrize(("step", "scale"), [(-0.001, 10.0), (0.001, 0.001)])
def test_the_dynamic_rate_stays_between_a_thousandth_and_ten_times(
    step: float, scale: float
) -> None:
    dynamic = Dynamic(window=1)
    for number in range(100):
        dynamic.after_step(0.5 + number * step, 1)
    assert dynamic.scale == scale


@pytest.mark.parametrize(
    "make", [lambda: Dynamic(window=3), lambda: Plateau(patience=3, factor=0.5)]
)
def test_a_factor_goes_on_from_its_state_at_any_moment(make: type[Factor]) -> None:
    losses = [0.6, 0.5, 0.55, 0.54, 0.4, 0.41, 0.42, 0.43, 0.44, 0.2, 0.3]
    for cut in range(len(losses)):
        whole, first, second = make(), make(), make()
        for loss in losses:
            whole.after_step(loss, 1)
            whole.after_epoch(loss)
        for loss in losses[:cut]:
            first.after_step(loss, 1)
            first.after_epoch(loss)
        second.state = tuple(first.state)
        assert second.scale == first.scale
        for loss in losses[cut:]:
            second.after_step(loss, 1)
            second.after_epoch(loss)
        assert (second.scale, second.state) == (whole.scale, whole.state)


def _rates(method: Method, warmup_epochs: float = 0.0) -> list[float]:
    rate = make_learning_rate(method, 0.1, 4, warmup_epochs, 5)
    found: list[float] = []
    for step in range(20):
        found.append(rate(step))
        rate.after_step(step, 1.0, 1)
        if step % 5 == 4:
            rate.factor.after_epoch(0.5)
    return found


@pytest.mark.parametrize(
    ("method", "expected"),
    [
        (Method(schedule="constant"), [0.1] * 20),
        (Method(schedule="step", decay_epochs=2), [0.1] * 10 + [0.05] * 10),
        (Method(schedule="plateau", decay_epochs=2), [0.1] * 15 + [0.05] * 5),
        # windows of 8 steps: the second is no better than the first
        (Method(schedule="dynamic", window_steps=8), [0.1] * 16 + [0.085] * 4),
        # of full-batch gradient descent a window is an epoch
        (
            Method("gradient-descent", schedule="dynamic"),
            [0.1] * 10 + [0.085] * 5 + [0.07225] * 5,
        ),
    ],
)
def test_a_schedule_by_name_gives_these_rates(method: Method, expected: list[float]) -> None:
    assert _rates(method) == pytest.approx(expected)


@pytest.mark.parametrize("schedule", ["constant", "step", "cosine", "plateau", "dynamic"])
def test_all_but_one_cycle_warm_up(schedule: str) -> None:
    rates = _rates(Method(schedule=schedule), warmup_epochs=1.0)
    assert rates[:5] == pytest.approx([0.02, 0.04, 0.06, 0.08, 0.1])


def test_the_dynamic_rate_looks_away_while_it_warms_up() -> None:
    rates = _rates(Method(schedule="dynamic", window_steps=1), warmup_epochs=2.0)
    assert rates[10:13] == pytest.approx([0.1, 0.1, 0.085])


@pytest.mark.parametrize("schedule", SCHEDULES)
def test_a_rate_of_zero_is_refused_by_each(schedule: str) -> None:
    with pytest.raises(ParameterError, match="--learning-rate > 0"):
        make_learning_rate(Method(schedule=schedule), 0.0, 4, 0.5, 5)
