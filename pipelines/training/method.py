"""The methods of training by name, without TensorFlow: whoever launches must start at once."""

from dataclasses import dataclass

from schemas.target import LabelKind

OPTIMIZERS = (
    "gradient-descent", "sgd", "momentum", "nesterov", "adagrad", "rmsprop", "adam", "adamw",
    "lamb",
)  # fmt: skip
SCHEDULES = ("constant", "step", "cosine", "one-cycle", "plateau", "dynamic")
# by kind of label, its own first
LOSSES_OF: dict[LabelKind, tuple[str, ...]] = {
    "binary": ("cross-entropy", "mse", "focal"),
    "classes": ("cross-entropy", "mse", "focal"),
    "number": ("mse", "mae", "huber"),
}
LOSSES = tuple(dict.fromkeys(name for names in LOSSES_OF.values() for name in names))
ACTIVATIONS = ("relu", "gelu", "elu", "selu", "silu", "leaky_relu", "tanh", "sigmoid")
BALANCED = "balanced"
GLOBAL = "global"
PRUNED_BY = ("layer", GLOBAL)
TEXT_NETWORKS = ("bag", "text-cnn", "lstm", "bigru", "transformer")
IMAGE_NETWORKS = ("cnn", "resnet")
NETWORKS = ("dense", *TEXT_NETWORKS, *IMAGE_NETWORKS)


@dataclass(frozen=True, slots=True)
class Method:
    """How weights are changed; what is minimised is an ``Objective``.

    Args:
        optimizer: One of ``OPTIMIZERS``.
        momentum: Of ``momentum`` and ``nesterov``.
        schedule: One of ``SCHEDULES``.
        decay_epochs: Of ``step`` and ``plateau``: epochs until the rate is lowered.
        decay_factor: What it is multiplied by then.
        window_steps: Of ``dynamic``: steps of a window.
        clip_norm: Greatest norm of all gradients together; 0: any.
        clip_value: Greatest absolute value of a gradient; 0: any.
        layer_decay: What the rate of a layer is multiplied by for each layer behind it.
    """

    optimizer: str = "adamw"
    momentum: float = 0.9
    schedule: str = "cosine"
    decay_epochs: int = 2
    decay_factor: float = 0.5
    window_steps: int = 20
    clip_norm: float = 0.0
    clip_value: float = 0.0
    layer_decay: float = 1.0

    @property
    def is_full_batch(self) -> bool:
        """Whether the weights change once an epoch."""
        return self.optimizer == "gradient-descent"
