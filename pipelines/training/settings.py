"""What a training is told, and what it says at the end."""

from collections.abc import Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from pipelines.training.checkpoint import Progress
from pipelines.training.distillation import Teacher, Teaching
from pipelines.training.distributed import Reduction
from pipelines.training.method import GLOBAL, Method
from pipelines.training.objective import LOG_LOSS, Objective, class_weights
from pipelines.training.parameters import TrainParams
from pipelines.training.pruning import Sparsity
from pipelines.training.timeline import StepParts
from schemas.target import BINARY, Target


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
    method: Method = field(default_factory=Method)
    objective: Objective = LOG_LOSS
    sparsity: Sparsity = field(default_factory=Sparsity)
    teacher: Teacher | None = None

    @classmethod
    def of(
        cls,
        params: TrainParams,
        folder: Path,
        label_counts: Sequence[int],
        target: Target = BINARY,
    ) -> "LoopSettings":
        """Give what parameters say.

        Args:
            params: Of the training.
            folder: For checkpoints and logs.
            label_counts: Rows of each class, if class weights are to balance them.
            target: What the label is.

        Raises:
            ParameterError: A flag means nothing with such a label.
        """
        objective = Objective(
            params.loss_of(target),
            params.focal_gamma,
            params.focal_alpha,
            params.label_smoothing,
            class_weights(params.class_weights, label_counts),
            params.l1,
            params.l2,
            params.huber_delta,
            target,
            Teaching(params.distill_weight, params.distill_temperature),
        )
        same = ("epochs", "learning_rate", "warmup_epochs", "patience", "weight_decay", "seed")
        return cls(
            folder,
            **{name: getattr(params, name) for name in (*same, "checkpoint_steps")},
            reduction=Reduction(params.half_gradients, params.sparse_gradients),
            method=Method(**{item.name: getattr(params, item.name) for item in fields(Method)}),
            objective=objective,
            sparsity=Sparsity(params.prune_to, params.prune_until, params.prune_by == GLOBAL),
        )


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a finished training says; ``weights_digest`` is of the last state, on all ranks."""

    progress: Progress
    weights_digest: str
    rows_per_epoch: int
    step_parts: StepParts | None = None

    def details(self, num_ranks: int) -> dict[str, Any]:
        """Give what the step's record says of it."""
        progress = self.progress
        best = progress.history[progress.best_epoch - 1]
        return {
            "ranks": num_ranks,
            "epochs": progress.epoch,
            "best_epoch": progress.best_epoch,
            "validation": {name[4:]: best[name] for name in best if name.startswith("val_")},
            "rows_per_epoch": self.rows_per_epoch,
            "weights_digest": self.weights_digest,
            "train_seconds": round(progress.seconds, 2),
        }
