"""The learning rate of each step: a pure schedule, times a factor that may follow the loss.

What a factor has seen is part of the checkpoint. It sees losses that were summed over the ranks,
so it is the same on each of them.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

from pipelines.training.method import Method
from pipelines.training.schedules import OneCycle, StepDecay, WarmupCosine

_LEAST, _MOST = 1e-3, 10.0  # of the peak


class Factor(Protocol):
    """What a schedule is multiplied by."""

    @property
    def scale(self) -> float:
        """What the schedule is multiplied by."""
        ...

    @property
    def state(self) -> tuple[float, ...]:
        """All that decides what comes."""
        ...

    @state.setter
    def state(self, state: tuple[float, ...]) -> None: ...

    def after_step(self, loss_sum: float, rows: float) -> None:
        """See the training loss of a global batch, summed over its rows."""
        ...

    def after_epoch(self, loss: float) -> None:
        """See the validation loss of an epoch."""
        ...


@dataclass(slots=True)
class Unchanging:
    """A factor that is 1 whatever the loss."""

    scale: float = 1.0
    state: tuple[float, ...] = ()

    def after_step(self, loss_sum: float, rows: float) -> None:
        """Change nothing."""

    def after_epoch(self, loss: float) -> None:
        """Change nothing."""


@dataclass(slots=True)
class Plateau:
    """Multiplied by ``factor`` after ``patience`` epochs without a better validation loss.

    As Keras's ReduceLROnPlateau with ``min_delta`` 0; it never goes below a thousandth.

    >>> plateau = Plateau(patience=2, factor=0.5)
    >>> for loss in (0.5, 0.4, 0.4, 0.6):
    ...     plateau.after_epoch(loss)
    >>> plateau.scale
    0.5
    """

    patience: int
    factor: float
    scale: float = 1.0
    _seen: tuple[float, ...] = ()  # the best loss, epochs since

    @property
    def state(self) -> tuple[float, ...]:
        """Scale, best loss and epochs since; none before the first epoch."""
        return (self.scale, *self._seen) if self._seen else ()

    @state.setter
    def state(self, state: tuple[float, ...]) -> None:
        self.scale, *seen = state or (1.0,)
        self._seen = tuple(seen)

    def after_step(self, loss_sum: float, rows: float) -> None:
        """Change nothing."""

    def after_epoch(self, loss: float) -> None:
        """See the validation loss of an epoch."""
        best, waited = self._seen or (float("inf"), 0.0)
        if loss < best:
            self._seen = (loss, 0.0)
        elif waited + 1 < self.patience:
            self._seen = (best, waited + 1)
        else:
            self._seen = (best, 0.0)
            self.scale = max(self.scale * self.factor, _LEAST)


@dataclass(slots=True)
class Dynamic:
    """Follows the training loss: up while it falls from window to window, down as soon as not.

    The rule: take the mean loss of the rows of each ``window`` steps. If it is below that of the
    window before, multiply by ``rise``; else by ``fall``; stay between a thousandth and ten times
    the peak. While the loss falls steadily the rate grows; once it is noise, windows are better
    and worse in turns, and as ``rise * fall < 1`` the rate decays by itself. After the "bold
    driver" (Vogl et al. 1988, "Accelerating the convergence of the back-propagation method";
    Battiti 1989), with windows in place of whole epochs and without undoing a step; compare
    GreedyLR (Subramanian et al. 2025, arXiv 2512.14527).

    >>> dynamic = Dynamic(window=1, rise=1.5, fall=0.5)
    >>> for loss in (0.7, 0.6, 0.5, 0.5):
    ...     dynamic.after_step(loss, 1)
    >>> dynamic.scale
    1.125
    """

    window: int
    rise: float = 1.1
    fall: float = 0.85
    # scale; of the window under way: loss, rows, steps; of the one before: mean loss, if any
    state: tuple[float, ...] = ()

    @property
    def scale(self) -> float:
        """What the schedule is multiplied by."""
        return self.state[0] if self.state else 1.0

    def after_step(self, loss_sum: float, rows: float) -> None:
        """See the training loss of a global batch, summed over its rows."""
        scale, known_loss, known_rows, steps, *before = self.state or (1.0, 0.0, 0.0, 0.0)
        loss_sum, rows, steps = known_loss + loss_sum, known_rows + rows, steps + 1
        if steps < self.window:
            self.state = (scale, loss_sum, rows, steps, *before)
            return
        mean = loss_sum / rows
        if before:
            scale *= self.rise if mean < before[0] else self.fall
        self.state = (min(max(scale, _LEAST), _MOST), 0.0, 0.0, 0.0, mean)

    def after_epoch(self, loss: float) -> None:
        """Change nothing."""


@dataclass(slots=True)
class LearningRate:
    """The rate of each step; ``factor`` sees the losses from ``first_step`` on."""

    schedule: Callable[[int], float]
    factor: Factor = field(default_factory=Unchanging)
    first_step: int = 0

    def __call__(self, step: int) -> float:
        """Give the rate of ``step``, counted from 0."""
        return self.schedule(step) * self.factor.scale

    def after_step(self, step: int, loss_sum: float, rows: float) -> None:
        """Tell the training loss of a step, summed over the rows of its global batch."""
        if step >= self.first_step:
            self.factor.after_step(loss_sum, rows)


def make_learning_rate(
    method: Method, peak: float, epochs: int, warmup_epochs: float, steps: int
) -> LearningRate:
    """Make the learning rate of a run.

    Args:
        method: Which schedule, and its numbers.
        peak: The highest rate; the dynamic schedule starts there.
        epochs: Of the run.
        warmup_epochs: Epochs of linear warm-up; a one-cycle has its own.
        steps: Of an epoch.

    Raises:
        ParameterError: The peak is no rate.
    """
    warmup = round(warmup_epochs * steps)
    constant = StepDecay(peak, warmup)
    # full-batch gradient descent changes its weights once an epoch: so does its loss
    window = steps if method.is_full_batch else method.window_steps
    every = method.decay_epochs * steps
    makers: dict[str, Callable[[], LearningRate]] = {
        "constant": lambda: LearningRate(constant),
        "step": lambda: LearningRate(StepDecay(peak, warmup, every, method.decay_factor)),
        "cosine": lambda: LearningRate(WarmupCosine(peak, warmup, epochs * steps)),
        "one-cycle": lambda: LearningRate(OneCycle(peak, epochs * steps)),
        "plateau": lambda: LearningRate(
            constant, Plateau(method.decay_epochs, method.decay_factor)
        ),
        "dynamic": lambda: LearningRate(constant, Dynamic(window), warmup),
    }
    return makers[method.schedule]()
