"""The learning rate as a pure function of the step, so that a resumed run goes on where it was."""

import math
from dataclasses import dataclass

from pipelines.errors import ParameterError


@dataclass(frozen=True, slots=True)
class WarmupCosine:
    """Linear warm-up from near zero, then half a cosine down to ``floor`` of the peak.

    Warm-up: Goyal et al. 2017, "Accurate, Large Minibatch SGD", section 2.2. Cosine: Loshchilov
    and Hutter 2017, "SGDR", equation 5, one cycle. The peak is not multiplied by the number of
    ranks: the global batch is a parameter of the run, so its gradient is the same on any number.

    >>> schedule = WarmupCosine(peak=1.0, warmup_steps=2, total_steps=4, floor=0.0)
    >>> [round(schedule(step), 3) for step in range(5)]
    [0.5, 1.0, 1.0, 0.5, 0.0]
    """

    peak: float
    warmup_steps: int
    total_steps: int
    floor: float = 0.01

    def __post_init__(self) -> None:
        _check_peak(self.peak)
        if not 0 <= self.warmup_steps <= self.total_steps:
            raise ParameterError(
                f"expected warm-up within the run, 0 to {self.total_steps} steps; got "
                f"{self.warmup_steps}. Lower --warmup-epochs or raise --epochs"
            )

    def __call__(self, step: int) -> float:
        """Give the learning rate of ``step``, counted from 0."""
        if step < self.warmup_steps:
            return self.peak * (step + 1) / self.warmup_steps
        decay_steps = max(self.total_steps - self.warmup_steps, 1)
        progress = min((step - self.warmup_steps) / decay_steps, 1.0)
        cosine = (1 + math.cos(math.pi * progress)) / 2
        return self.peak * (self.floor + (1 - self.floor) * cosine)


@dataclass(frozen=True, slots=True)
class StepDecay:
    """Linear warm-up, then the peak times ``factor`` to the power of finished stretches.

    A stretch has ``every_steps`` steps, counted from the first step on. With ``factor`` 1 the rate
    is constant. As in Krizhevsky et al. 2012, "ImageNet Classification", section 5, and PyTorch's
    StepLR.

    >>> [StepDecay(1.0, 1, every_steps=2, factor=0.5)(step) for step in range(5)]
    [1.0, 1.0, 0.5, 0.5, 0.25]
    """

    peak: float
    warmup_steps: int
    every_steps: int = 1
    factor: float = 1.0

    def __post_init__(self) -> None:
        _check_peak(self.peak)

    def __call__(self, step: int) -> float:
        """Give the learning rate of ``step``, counted from 0."""
        rate = self.peak * self.factor ** (step // self.every_steps)
        return rate * min(1.0, (step + 1) / max(self.warmup_steps, 1))


@dataclass(frozen=True, slots=True)
class OneCycle:
    """Half a cosine up to the peak over 30 % of the run, another down to nearly nothing.

    Smith and Topin 2018, "Super-Convergence"; shape and defaults (a start of peak / 25, an end of
    a 10,000th of that) are those of PyTorch's OneCycleLR. Momentum is not cycled.

    >>> [round(OneCycle(1.0, total_steps=11)(step), 3) for step in (0, 3, 10)]
    [0.04, 1.0, 0.0]
    """

    peak: float
    total_steps: int
    rising: float = 0.3
    first: float = 1 / 25
    last: float = 1 / 250_000

    def __post_init__(self) -> None:
        _check_peak(self.peak)

    def __call__(self, step: int) -> float:
        """Give the learning rate of ``step``, counted from 0."""
        end = max(self.total_steps - 1, 1)
        top = self.rising * end
        if step < top:
            return self.peak * _between(self.first, 1.0, step / top)
        return self.peak * _between(1.0, self.last, min((step - top) / (end - top), 1.0))


def _between(start: float, end: float, progress: float) -> float:
    return end + (start - end) * (1 + math.cos(math.pi * progress)) / 2


def _check_peak(peak: float) -> None:
    if not (math.isfinite(peak) and peak > 0):
        raise ParameterError(f"expected --learning-rate > 0; got {peak}")
