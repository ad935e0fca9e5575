"""Train a network on a pinned features table, on any number of ranks.

``run`` is what each rank calls; ``launch_training`` starts the ranks and is what a pipeline calls.
TensorFlow is imported inside ``run`` only: a process that launches must start at once.
"""

import json
import os
import re
import sys
from collections.abc import Callable, Generator
from contextlib import closing, contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipelines.cli import param, to_flags
from pipelines.errors import ParameterError, TrainingError
from pipelines.layout import Layout
from pipelines.state import fingerprint, read_features, read_json, sync_folder, write_json
from pipelines.step import StepKey, StepResult, once, read_result, step_key
from pipelines.tables.version import TableVersion, parse_version
from pipelines.training.heartbeat import HANG_S, heartbeat
from pipelines.training.start import Start, start_ranks
from pipelines.world import World
from schemas.encode import FeatureSet

if TYPE_CHECKING:
    import keras

    from pipelines.loading.manifest import Manifest
    from pipelines.training.loop import Outcome

STEP = "train"
_MIXED = re.compile(r"^(.+@v\d+)=(0?\.\d+)$")
_JOB = Path(__file__).parent.parent / "jobs" / "train.py"


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


def trained(params: TrainParams) -> StepResult | None:
    """Give the recorded result of this very training, or None if it is still to be done."""
    path = _record(_key(params))
    if not path.exists():
        return None
    known = read_result(read_json(path))
    return replace(known, is_reused=True) if _is_there(known) else None


def launch_training(
    params: TrainParams,
    num_processes: int,
    restarts: int = 0,
    hang_s: float = HANG_S,
    elastic_min: int = 0,
) -> StepResult:
    """Train on ``num_processes`` ranks of this machine; a finished training is not repeated.

    See ``Start`` for the other arguments.

    Raises:
        ParameterError: The numbers make no sense.
        RankLostError: A rank was killed or hangs, and no restart is left.
        TableError: A remote table can't be fetched.
        TrainingError: A rank failed; with its number and its last words.
    """
    sizes = _sizes() if elastic_min else ()
    start = Start(num_processes, restarts, hang_s, elastic_min, sizes)
    if known := trained(params):
        return known
    with _fetched(params):
        printed = start_ranks([sys.executable, str(_JOB), *to_flags(params)], start)
    lines = printed.strip().splitlines()
    if not lines:
        raise TrainingError("expected one JSON line from rank 0; it printed nothing")
    return read_result(json.loads(lines[-1]))


def _sizes() -> tuple[int, ...]:
    from pipelines.loading.shard_plan import LANES  # noqa: PLC0415  see the module's docstring

    return tuple(size for size in range(1, LANES + 1) if not LANES % size)


def _silent() -> None:
    pass


@dataclass(frozen=True, slots=True)
class Supervision:
    """Who looks after a rank.

    After ``hang_s`` seconds without a step a rank ends itself, where no launcher of ours watches it
    (see ``heartbeat``). ``pause`` is called on all ranks after each checkpoint, and may end the run
    by an exception.
    """

    hang_s: float = HANG_S
    pause: Callable[[], None] = _silent


def run(params: TrainParams, world: World, supervision: Supervision = Supervision()) -> StepResult:
    """Train as one rank of ``world``; all ranks return the same, the root writes.

    A killed training goes on from its last checkpoint.

    Args:
        params: What to train.
        world: This rank.
        supervision: What ends it when it hangs, or when it is to go on in another world.

    Raises:
        ParameterError: Batch size or number of ranks do not fit.
        TableError: The table is missing, unsafe to read, or has an empty split.
        TrainingError: One class only, too few rows, a loss that is NaN, ranks that differ.
    """
    if known := trained(params):
        return known
    key = _key(params)
    if not world.is_root:
        return _train(params, key, world, supervision)
    return once(key, lambda: _train(params, key, world, supervision), _is_there)


def _train(params: TrainParams, key: StepKey, world: World, supervision: Supervision) -> StepResult:
    from pipelines.loading.dataset import Reading  # noqa: PLC0415  see the module's docstring
    from pipelines.loading.mixture import plans_of  # noqa: PLC0415
    from pipelines.loading.training_tables import describe, open_splits  # noqa: PLC0415
    from pipelines.training.distributed import Reduction  # noqa: PLC0415
    from pipelines.training.loop import Loop, LoopSettings  # noqa: PLC0415
    from pipelines.training.models import build_model  # noqa: PLC0415
    from pipelines.training.where_time_went import where_time_went  # noqa: PLC0415

    features = read_features(Path(params.state))
    tables, shares = _manifests(params, features)
    _check_classes(tables[0])
    folder = key.layout.trainings / key.fingerprint
    reading = Reading(params.global_batch_size, params.seed, params.memory_mb, params.buffer_mb)
    train, validation = open_splits(tables, shares, world, reading)
    plans = plans_of(train)
    said = [describe(table, plan, world) for table, plan in zip(tables, plans, strict=True)]
    if world.is_root:
        sys.stderr.write("".join(f"train: {text}\n" for text in said))
    model = build_model(
        features, params.hidden, params.dropout, params.seed, has_batch_norm=params.batch_norm
    )
    settings = LoopSettings(
        folder,
        params.epochs,
        params.learning_rate,
        params.warmup_epochs,
        params.patience,
        params.weight_decay,
        params.seed,
        params.checkpoint_steps,
        Reduction(params.half_gradients, params.sparse_gradients),
    )
    with closing(train), closing(validation), heartbeat(world, supervision.hang_s) as beat:
        outcome = Loop(model, train, validation, settings, world).run(beat, supervision.pause)
    said_time = where_time_went(outcome)
    if world.is_root:
        sys.stderr.write(f"train: {said_time}\n")
        _save_model(model, folder / "model.keras")
        write_json(folder / "history.json", asdict(outcome.progress))
    details = _details(outcome, world) | {
        "where_time_went": said_time,
        "plan": train.plan.fingerprint(),
        "tables": said,
        "steps_per_epoch": train.plan.num_steps,
        "parameters": asdict(params),
        "num_weights": int(model.count_params()),
    }
    files = {"model": "model.keras", "history": "history.json", "tensorboard": "tensorboard"}
    return StepResult(
        STEP,
        params.dataset,
        key.fingerprint,
        files={name: str(folder / file) for name, file in files.items()},
        details=details,
    )


def _details(outcome: "Outcome", world: World) -> dict[str, Any]:
    progress = outcome.progress
    best = progress.history[progress.best_epoch - 1]
    return {
        "ranks": world.size,
        "epochs": progress.epoch,
        "best_epoch": progress.best_epoch,
        "validation": {name[4:]: best[name] for name in best if name.startswith("val_")},
        "rows_per_epoch": outcome.rows_per_epoch,
        "weights_digest": outcome.weights_digest,
        "train_seconds": round(progress.seconds, 2),
    }


def _manifests(params: TrainParams, features: FeatureSet) -> tuple[list["Manifest"], list[float]]:
    """Give the tables to learn from, and of each but the first its share of a batch."""
    from pipelines.loading.columns import InputColumns  # noqa: PLC0415
    from pipelines.loading.manifest import read_manifest  # noqa: PLC0415
    from pipelines.loading.row_filter import parse_filter  # noqa: PLC0415

    columns = InputColumns.of(features)
    filters = [parse_filter(text) for text in params.where]
    tables, shares = _tables(params)
    found = [
        read_manifest(_local(table, params), table.version, columns, filters) for table in tables
    ]
    return found, shares


def _tables(params: TrainParams) -> tuple[list[TableVersion], list[float]]:
    mixed = [_parse_mix(text) for text in params.mix]
    tables = [parse_version(params.features), *(table for table, _ in mixed)]
    return tables, [share for _, share in mixed]


def _parse_mix(text: str) -> tuple[TableVersion, float]:
    found = _MIXED.match(text)
    if not found:
        raise ParameterError(
            f"--mix: expected a table and its share of a batch, like lake/.../old@v3=0.25; got "
            f"{text!r}"
        )
    return parse_version(found[1]), float(found[2])


def _local(table: TableVersion, params: TrainParams) -> str:
    if not table.is_remote:
        return table.path
    from pipelines.loading.table_cache import fetch_table  # noqa: PLC0415

    if not params.cache:
        raise ParameterError(
            f"expected --cache FOLDER, a local folder for copies of {table.path}; got none"
        )
    return fetch_table(table.path, table.version, Path(params.cache), params.cache_mb)


@contextmanager
def _fetched(params: TrainParams) -> Generator[None]:
    """Keep copies of remote tables for the ranks: what is wrong is said once, before they start."""
    remote = [table for table in _tables(params)[0] if table.is_remote]
    try:
        for table in remote:
            _local(table, params)
        yield
    finally:
        if remote:
            from pipelines.loading.table_cache import release_tables  # noqa: PLC0415

            release_tables()


def _check_classes(manifest: "Manifest") -> None:
    found = manifest.label_range("train")
    if found is not None and found[0] == found[1]:
        raise TrainingError(
            f"{manifest.table}: expected labels 0 and 1 in split 'train'; all "
            f"{manifest.num_rows('train')} rows have {found[0]}. Change the label or the split of "
            "the contract"
        )


def _save_model(model: "keras.Model", path: Path) -> None:
    # a kill while Keras writes must not leave half a model under the name
    scratch = path.with_name(f".{os.getpid()}.keras")
    path.parent.mkdir(parents=True, exist_ok=True)
    model.save(scratch)
    with scratch.open("rb") as file:
        os.fsync(file.fileno())
    scratch.replace(path)
    sync_folder(path.parent)


def _key(params: TrainParams) -> StepKey:
    layout = Layout(params.root, params.dataset)
    # where it is kept and how often changes nothing in the result
    where = {"root": "", "checkpoint_steps": 0, "buffer_mb": 0, "cache": "", "cache_mb": 0}
    read_features(Path(params.state))  # says what to do if the file is not there
    state = fingerprint(read_json(Path(params.state)))
    decides = {**asdict(params), **where, "state": state}
    return step_key(STEP, layout, decides)


def _record(key: StepKey) -> Path:
    return key.layout.steps / f"{key.step}-{key.fingerprint}.json"


def _is_there(result: StepResult) -> bool:
    return all(Path(path).exists() for path in result.files.values())
