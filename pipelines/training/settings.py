"""What a training is told, and what it says at the end."""

from dataclasses import dataclass, field
from pathlib import Path

from pipelines.training.checkpoint import Progress
from pipelines.training.distributed import Reduction
from pipelines.training.timeline import StepParts


@dataclass(frozen=True, slots=True)
class LoopSettings:
    """What a loop needs to know beside model and data.

    ``patience`` 0 never stops early. ``checkpoint_steps`` is the number of steps between two
    checkpoints inside an epoch, each with a check for divergence; 0 keeps those at its end only.
    """

    folder: Path
    epochs: int
    learning_rate: float
    warmup_epochs: float
    patience: int
    weight_decay: float
    seed: int
    checkpoint_steps: int = 0
    reduction: Reduction = field(default_factory=Reduction)
    is_checked_for_divergence: bool = True


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a finished training says; ``weights_digest`` is of the last state, on all ranks."""

    progress: Progress
    weights_digest: str
    rows_per_epoch: int
    step_parts: StepParts | None = None
