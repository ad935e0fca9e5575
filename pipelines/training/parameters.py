"""The parameters of a training, as flags say them."""

from dataclasses import dataclass, fields

from pipelines.cli import param
from pipelines.errors import ParameterError
from pipelines.training.method import (
    ACTIVATIONS,
    IMAGE_NETWORKS,
    LOSSES,
    LOSSES_OF,
    NETWORKS,
    OPTIMIZERS,
    PRUNED_BY,
    SCHEDULES,
    TEXT_NETWORKS,
)
from pipelines.training.parameter_checks import (
    FOCAL_ALPHA,
    check_label,
    check_pruning,
    check_start,
    check_teaching,
    check_weights,
)
from schemas.target import Target

# what a training reads and where it is kept; the other parameters say how it learns
PLACES = ("dataset", "features", "state", "root", "registry", "cache", "cache_mb")
_CHOICES = {
    "optimizer": OPTIMIZERS,
    "schedule": SCHEDULES,
    "loss": LOSSES,
    "activation": ACTIVATIONS,
    "network": ("", *NETWORKS),
    "prune_by": PRUNED_BY,
}
# what would be ignored without a word, and where it is not
COUNTS_WITH = {
    "momentum": ("optimizer", ("momentum", "nesterov")),
    "weight_decay": ("optimizer", ("adamw", "lamb")),
    "decay_epochs": ("schedule", ("step", "plateau")),
    "decay_factor": ("schedule", ("step", "plateau")),
    "window_steps": ("schedule", ("dynamic",)),
    "focal_gamma": ("loss", ("focal",)),
    "focal_alpha": ("loss", ("focal",)),
    "huber_delta": ("loss", ("huber",)),
    "embedding_dim": ("network", TEXT_NETWORKS),
    "units": ("network", ("text-cnn", "lstm", "bigru")),
    "max_tokens": ("network", TEXT_NETWORKS),
    "width": ("network", IMAGE_NETWORKS),
}


@dataclass(frozen=True, slots=True)
class TrainParams:
    """Train a network on a pinned features table."""

    dataset: str = param("name of the data set")
    features: str = param(
        "features table pinned to a version, like lake/.../flights@v0 or s3://bucket/flights@v3"
    )
    state: str = param("features state, the JSON file that engineer_features wrote")
    root: str = param("folder of all data sets", "lake")
    epochs: int = param("passes over the training split, at most", 10)
    global_batch_size: int = param("rows per step over all ranks, a multiple of 24", 1536)
    memory_mb: int = param(
        "keep a rank's training rows in so many MB, permuted wholly each epoch; 0: read anew", 0
    )
    buffer_mb: int = param("memory for the row groups that a rank holds at once, in MB", 4000)
    where: tuple[str, ...] = param(
        "rows to learn from and to validate on, like 'distance >= 500'; several are joined by and",
        (),
    )
    rows_per_class: int = param("training rows of each class, drawn with --seed; 0: all", 0)
    mix: tuple[str, ...] = param(
        "further features tables and their shares of each batch, like lake/.../old@v3=0.25", ()
    )
    cache: str = param("folder for the local copies of remote tables", "")
    cache_mb: int = param("what the copies of all remote tables may take up, in MB", 100_000)
    optimizer: str = param(
        f"one of {', '.join(OPTIMIZERS)}; the first: one update an epoch", "adamw"
    )
    learning_rate: float = param(
        "peak learning rate; SGD and its kin want more than AdamW, such as 0.1", 0.002
    )
    momentum: float = param("of the optimizers momentum and nesterov", 0.9)
    schedule: str = param(f"of the learning rate: one of {', '.join(SCHEDULES)}", "cosine")
    warmup_epochs: float = param(
        "epochs of linear learning-rate warm-up; one-cycle has its own", 0.5
    )
    decay_epochs: int = param(
        "the schedule step lowers the rate each so many epochs, plateau after so many without a "
        "better validation loss",
        2,
    )
    decay_factor: float = param("what step and plateau then multiply the rate by", 0.5)
    window_steps: int = param(
        "steps whose mean loss the dynamic schedule holds against that of the ones before", 20
    )
    weight_decay: float = param("decoupled weight decay of AdamW and LAMB; others have none", 0.004)
    loss: str = param(
        f"one of {', '.join(LOSSES)}; empty: cross-entropy, of a label that is a number mse", ""
    )
    focal_gamma: float = param("how much the focal loss looks away from rows that are clear", 2.0)
    focal_alpha: float = param(
        "the focal loss's weight of label 1; label 0 has 1 less that", FOCAL_ALPHA
    )
    huber_delta: float = param(
        "error from which the Huber loss is linear, in deviations of the training split", 1.0
    )
    class_weights: tuple[str, ...] = param(
        "weights of the classes in the loss, in the contract's order (label 0 and label 1): a "
        "number each, or 'balanced'",
        (),
    )
    label_smoothing: float = param(
        "s: each of K classes gets s/K, the right one 1 - s more, in training", 0.0
    )
    l1: float = param("penalty per absolute value of a weight of kernels and embeddings", 0.0)
    l2: float = param("penalty per square of a weight of kernels and embeddings", 0.0)
    clip_norm: float = param("greatest norm of all summed gradients together; 0: any", 0.0)
    clip_value: float = param("greatest absolute value of a summed gradient; 0: any", 0.0)
    checkpoint_steps: int = param(
        "steps between checkpoints inside an epoch, each with a check that ranks agree; 0: none",
        1000,
    )
    patience: int = param("epochs without a better validation loss before stopping; 0: never", 3)
    network: str = param(f"one of {', '.join(NETWORKS)}; empty: what suits the features", "")
    embedding_dim: int = param("width of the embedding of a token", 64)
    units: int = param("units of a recurrent network, filters of each width of a text-cnn", 64)
    width: int = param("filters of the first convolution of a network of images", 32)
    augment: tuple[str, ...] = param(
        "vary training images: crop=PIXELS, flip, rotate=DEGREES, scale=SHARE, colour=SHARE, "
        "cutout=PIXELS, mixup=ALPHA",
        (),
    )
    max_tokens: int = param("tokens of a text that are read, its first; 0: all in the table", 0)
    hidden: tuple[int, ...] = param("width of each hidden layer", (128, 64))
    dropout: float = param("share of hidden values masked in training", 0.2)
    activation: str = param(f"of hidden layers: one of {', '.join(ACTIVATIONS)}", "relu")
    batch_norm: bool = param("normalise over the global batch before each activation", False)
    half_gradients: bool = param("send gradients between ranks as float16", False)
    sparse_gradients: bool = param("send only the rows of an embedding that a batch touched", False)
    prune_to: float = param(
        "share of the weights of kernels and embeddings, the least, that end as zero; 0: none", 0.0
    )
    prune_until: float = param("share of all steps after which there are as many zeros", 0.6)
    prune_by: str = param(
        "layer: as many of each layer's weights; global: the least of all layers", PRUNED_BY[0]
    )
    teacher: str = param("trained model to learn from beside the labels, .keras file", "")
    distill_weight: float = param("how much the teacher counts, the labels the rest", 0.5)
    distill_temperature: float = param(
        "what the logits of teacher and student are divided by, to compare their probabilities", 2.0
    )
    start_from: str = param(
        "begin with the weights of a .keras file, or of NAME@champion or NAME@3 of the registry", ""
    )
    registry: str = param("of --start-from: postgresql://USER@HOST/NAME; empty for SQLite", "")
    freeze: tuple[str, ...] = param(
        "layers that keep the weights of --start-from, by name, like 'embed_*' 'conv*'", ()
    )
    layer_decay: float = param(
        "what a layer's learning rate is multiplied by for each layer between it and the answer",
        1.0,
    )
    seed: int = param("decides first weights, order of rows and dropout masks", 1)

    def __post_init__(self) -> None:
        bounds = {
            "epochs": (1, 10_000),
            "warmup_epochs": (0, self.epochs),
            "memory_mb": (0, 10_000_000),
            "buffer_mb": (1, 10_000_000),
            "cache_mb": (1, 1_000_000_000),
            "weight_decay": (0, 1),
            "checkpoint_steps": (0, 10_000_000),
            "patience": (0, 10_000),
            "seed": (0, 2**31 - 1),
            "momentum": (0, 0.9999),
            "decay_epochs": (1, 10_000),
            "decay_factor": (0.0001, 1),
            "window_steps": (1, 10_000_000),
            "focal_gamma": (0, 100),
            "focal_alpha": (0, 1),
            "huber_delta": (1e-6, 1e6),
            "label_smoothing": (0, 0.9999),
            "l1": (0, 1000),
            "l2": (0, 1000),
            "clip_norm": (0, 1e9),
            "clip_value": (0, 1e9),
            "embedding_dim": (1, 10_000),
            "units": (1, 10_000),
            "width": (1, 10_000),
            "max_tokens": (0, 1_000_000),
            "prune_to": (0, 0.999),
            "prune_until": (0, 1),
            "rows_per_class": (0, 10_000_000),
            "layer_decay": (0.01, 1),
            "distill_weight": (0, 1),
            "distill_temperature": (0.01, 1000),
        }
        for name, (low, high) in bounds.items():
            if not low <= getattr(self, name) <= high:
                flag = name.replace("_", "-")
                raise ParameterError(
                    f"expected --{flag} from {low} to {high}; got {getattr(self, name)}"
                )
        if not 0 <= self.dropout < 1:
            raise ParameterError(f"expected --dropout in [0, 1); got {self.dropout}")
        if any(width < 1 for width in self.hidden):
            raise ParameterError(f"expected --hidden of widths >= 1; got {self.hidden}")
        self._check_choices()
        check_weights(self.class_weights, is_mixed=bool(self.mix))
        check_pruning(self)
        check_teaching(self)
        check_start(self)

    def _check_choices(self) -> None:
        for name, known in _CHOICES.items():
            if getattr(self, name) not in known and (name, getattr(self, name)) != ("loss", ""):
                flag, among = name.replace("_", "-"), ", ".join(filter(None, known))
                raise ParameterError(
                    f"expected --{flag} to be one of {among}; got {getattr(self, name)}"
                )
        defaults = {item.name: item.default for item in fields(TrainParams)}
        for name, (choice, among) in COUNTS_WITH.items():
            if getattr(self, name) != defaults[name] and getattr(self, choice) not in among:
                raise ParameterError(
                    f"--{name.replace('_', '-')} counts only with --{choice} {' or '.join(among)}; "
                    f"got --{choice} {getattr(self, choice)}"
                )
        if self.clip_norm and self.clip_value:
            raise ParameterError("expected --clip-norm or --clip-value; got both")
        if self.schedule == "plateau" and 0 < self.patience <= self.decay_epochs:
            raise ParameterError(
                f"expected --decay-epochs below --patience {self.patience}, which ends the "
                f"training; got {self.decay_epochs}"
            )

    def loss_of(self, target: Target) -> str:
        """Give the loss that is meant for a label.

        Raises:
            ParameterError: A flag counts for nothing, or means nothing, with such a label.
        """
        check_label(self, target)
        return self.loss or LOSSES_OF[target.kind][0]
