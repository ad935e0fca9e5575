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
        if not (math.isfinite(self.peak) and self.peak > 0):
            raise ParameterError(f"expected --learning-rate > 0; got {self.peak}")
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
