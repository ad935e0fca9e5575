"""The learning rate: a pure function of the step."""

import doctest
import math

import pytest

from pipelines.errors import ParameterError
from pipelines.training import schedules
from pipelines.training.schedules import OneCycle, StepDecay, WarmupCosine


def test_the_example_of_the_docstring_holds() -> None:
    assert doctest.testmod(schedules).failed == 0


def test_it_rises_to_the_peak_and_falls_to_the_floor() -> None:
    rates = [WarmupCosine(0.1, 10, 100, floor=0.01)(step) for step in range(101)]
    assert max(rates) == rates[10] == 0.1
    assert rates[:11] == sorted(rates[:11])
    assert rates[10:] == sorted(rates[10:], reverse=True)
    assert rates[100] == pytest.approx(0.001)


def test_without_warm_up_it_starts_at_the_peak_and_after_the_end_it_stays() -> None:
    schedule = WarmupCosine(0.1, 0, 10)
    assert schedule(0) == 0.1
    assert schedule(1000) == schedule(10)


@pytest.mark.parametrize("peak", [0.0, -1.0, math.nan, math.inf])
def test_a_peak_that_is_no_rate_is_refused(peak: float) -> None:
    with pytest.raises(ParameterError, match="--learning-rate > 0"):
        WarmupCosine(peak, 0, 10)


def test_a_warm_up_longer_than_the_run_is_refused() -> None:
    with pytest.raises(ParameterError, match="Lower --warmup-epochs"):
        WarmupCosine(0.1, 11, 10)


def test_a_step_decay_halves_the_rate_after_each_stretch() -> None:
    schedule = StepDecay(0.1, 2, every_steps=4, factor=0.5)
    expected = [0.05, 0.1, 0.1, 0.1, 0.05, 0.05, 0.05, 0.05, 0.025]
    assert [schedule(step) for step in range(9)] == pytest.approx(expected)


def test_one_cycle_is_the_one_of_pytorch() -> None:
    # torch.optim.lr_scheduler.OneCycleLR(SGD(lr=1), 0.1, total_steps=11): its formula by hand
    first, last = 0.1 / 25, 0.1 / 25 / 1e4

    def annealed(start: float, end: float, share: float) -> float:
        return end + (start - end) / 2 * (1 + math.cos(math.pi * share))

    expected = [annealed(first, 0.1, step / 3) for step in range(4)]
    expected += [annealed(0.1, last, (step - 3) / 7) for step in range(4, 11)]
    schedule = OneCycle(0.1, 11)
    assert [schedule(step) for step in range(11)] == pytest.approx(expected)
    assert schedule(50) == schedule(10)
