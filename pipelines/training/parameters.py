"""The parameters of a training, as flags say them."""

from dataclasses import dataclass

from pipelines.cli import param
from pipelines.errors import ParameterError


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
    mix: tuple[str, ...] = param(
        "further features tables and their shares of each batch, like lake/.../old@v3=0.25", ()
    )
    cache: str = param("folder for the local copies of remote tables", "")
    cache_mb: int = param("what the copies of all remote tables may take up, in MB", 100_000)
    learning_rate: float = param("peak learning rate of AdamW", 0.002)
    warmup_epochs: float = param("epochs of linear learning-rate warm-up", 0.5)
    weight_decay: float = param("decoupled weight decay of AdamW", 0.004)
    checkpoint_steps: int = param(
        "steps between checkpoints inside an epoch, each with a check that ranks agree; 0: none",
        1000,
    )
    patience: int = param("epochs without a better validation loss before stopping; 0: never", 3)
    hidden: tuple[int, ...] = param("width of each hidden layer", (128, 64))
    dropout: float = param("share of hidden values masked in training", 0.2)
    batch_norm: bool = param("normalise over the global batch before each activation", False)
    half_gradients: bool = param("send gradients between ranks as float16", False)
    sparse_gradients: bool = param("send only the rows of an embedding that a batch touched", False)
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
