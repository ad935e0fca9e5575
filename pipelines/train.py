"""Train a network on a pinned features table, on any number of ranks.

``run`` is what each rank calls; ``launch_training`` starts the ranks and is what a pipeline calls.
TensorFlow is imported inside ``run`` only: a process that launches must start at once.
"""

import json
import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipelines.cli import param
from pipelines.errors import ParameterError, RankLostError, TrainingError
from pipelines.layout import Layout
from pipelines.state import fingerprint, read_json, sync_folder, write_json
from pipelines.step import StepKey, StepResult, once, read_result, step_key
from pipelines.tables.version import parse_version
from pipelines.training import launcher
from pipelines.training.heartbeat import HANG_S, heartbeat
from pipelines.world import World
from schemas.encode import FeatureColumn

if TYPE_CHECKING:
    import keras

    from pipelines.loading.manifest import Manifest
    from pipelines.loading.shard_plan import ShardPlan
    from pipelines.training.loop import Outcome

STEP = "train"
_MUCH = 0.1  # of the training time spent waiting
_JOB = Path(__file__).parent.parent / "jobs" / "train.py"


@dataclass(frozen=True, slots=True)
class TrainParams:
    """Train a network on a pinned features table."""

    dataset: str = param("name of the data set")
    features: str = param("features table pinned to a version, like lake/.../flights@v0")
    state: str = param("features state, the JSON file that engineer_features wrote")
    root: str = param("folder of all data sets", "lake")
    epochs: int = param("passes over the training split, at most", 10)
    global_batch_size: int = param("rows per step over all ranks, a multiple of 24", 1536)
    memory_mb: int = param(
        "keep a rank's training rows in so many MB, permuted wholly each epoch; 0: read anew", 0
    )
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
    params: TrainParams, num_processes: int, restarts: int = 0, hang_s: float = HANG_S
) -> StepResult:
    """Train on ``num_processes`` ranks of this machine; a finished training is not repeated.

    Args:
        params: What to train.
        num_processes: Ranks, at least 1.
        restarts: How often to go on from the last checkpoint after a rank was lost.
        hang_s: Seconds without a step of any rank after which the ranks are ended.

    Raises:
        RankLostError: A rank was killed or hangs, and no restart is left.
        TrainingError: A rank failed; with its number and its last words.
    """
    if num_processes < 1:
        raise ParameterError(f"expected --np >= 1; got {num_processes}")
    if restarts < 0:
        raise ParameterError(f"expected --restarts >= 0; got {restarts}")
    if known := trained(params):
        return known
    command = [sys.executable, str(_JOB), *_flags(params)]
    printed = _launch(command, num_processes, restarts, hang_s)
    lines = printed.strip().splitlines()
    if not lines:
        raise TrainingError("expected one JSON line from rank 0; it printed nothing")
    return read_result(json.loads(lines[-1]))


def _launch(command: Sequence[str], num_processes: int, restarts: int, hang_s: float) -> str:
    done = 0
    while True:
        try:
            return launcher.launch(command, num_processes, hang_s=hang_s)
        except RankLostError as error:
            if done == restarts:
                raise
            done += 1
            sys.stderr.write(f"train: restart {done} of {restarts}: {error}\n")
            sys.stderr.flush()


def run(params: TrainParams, world: World, hang_s: float = HANG_S) -> StepResult:
    """Train as one rank of ``world``; all ranks return the same, the root writes.

    A killed training goes on from its last checkpoint.

    Args:
        params: What to train.
        world: This rank.
        hang_s: Seconds without a step after which this process ends, where no launcher of ours
            watches it; see ``heartbeat``.

    Raises:
        ParameterError: Batch size or number of ranks do not fit.
        TableError: The table is missing, unsafe to read, or has an empty split.
        TrainingError: One class only, too few rows, a loss that is NaN, ranks that differ.
    """
    if known := trained(params):
        return known
    key = _key(params)
    if not world.is_root:
        return _train(params, key, world, hang_s)
    return once(key, lambda: _train(params, key, world, hang_s), _is_there)


def _train(params: TrainParams, key: StepKey, world: World, hang_s: float) -> StepResult:
    from pipelines.loading.dataset import Reading, load_split  # noqa: PLC0415  see the module's docstring
    from pipelines.loading.mixing import measure_mixing  # noqa: PLC0415
    from pipelines.training.distributed import Reduction  # noqa: PLC0415
    from pipelines.training.loop import Loop, LoopSettings  # noqa: PLC0415
    from pipelines.training.models import build_model  # noqa: PLC0415

    features = _features(params)
    manifest = _manifest(params, features)
    _check_classes(manifest)
    folder = key.layout.trainings / key.fingerprint
    size = params.global_batch_size
    reading = Reading(size, params.seed, params.memory_mb)
    train = load_split(manifest, "train", world, reading)
    validation = load_split(manifest, "validation", world, Reading(size))
    mixing = measure_mixing(train.plan)
    if world.is_root:
        _say_plan(train.plan, world, mixing)
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
    with heartbeat(world, hang_s) as beat:
        outcome = Loop(model, train, validation, settings, world).run(beat)
    if world.is_root:
        sys.stderr.write(f"train: {_where_time_went(outcome.progress.history)}\n")
        _save_model(model, folder / "model.keras")
        write_json(folder / "history.json", asdict(outcome.progress))
    details = _details(outcome, world) | {
        "plan": train.plan.fingerprint(),
        "mixing": round(mixing, 3),
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


def _say_plan(plan: "ShardPlan", world: World, mixing: float) -> None:
    shares = [plan.rows_of_rank(World(rank, world.size)) for rank in range(world.size)]
    sys.stderr.write(
        f"train: {plan.num_rows:,} rows in {len(plan.rows)} row groups; {plan.num_steps} steps of "
        f"{plan.global_batch_size}; {min(shares):,} to {max(shares):,} rows for each of "
        f"{world.size} ranks; a batch draws on {mixing:.0%} of the row groups of a full shuffle\n"
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
        "where_time_went": _where_time_went(progress.history),
    }


def _where_time_went(history: Sequence[Mapping[str, float]]) -> str:
    """Say on which part of an epoch its seconds went, and what to change, for rank 0."""
    total, train, waited = (
        sum(epoch[name] for epoch in history) for name in ("seconds", "train_s", "input_wait_s")
    )
    said = (
        f"{total:.1f} s of epochs: {(train - waited) / total:.0%} steps (compute and all-reduce), "
        f"{waited / total:.0%} waiting for rows, {1 - train / total:.0%} validation and checkpoints"
    )
    if waited > _MUCH * train:
        return f"{said}. Rows are what limits it: keep them in memory (--memory-mb)"
    return f"{said}. Steps are what limits it: a larger --global-batch-size means fewer of them"


def _features(params: TrainParams) -> list[FeatureColumn]:
    path = Path(params.state)
    if not path.exists():
        raise ParameterError(
            f"{params.dataset}: expected the features state in --state; {path} is not there. "
            "Run engineer_features first"
        )
    return [FeatureColumn(**column) for column in read_json(path)["features"]]


def _manifest(params: TrainParams, features: Sequence[FeatureColumn]) -> "Manifest":
    from pipelines.loading.manifest import InputColumns, read_manifest  # noqa: PLC0415

    categorical = [column for column in features if column.kind == "categorical"]
    columns = InputColumns(
        numeric=tuple(column.name for column in features if column.kind == "numeric"),
        categorical=tuple(column.name for column in categorical),
        sizes=tuple(column.size for column in categorical),
        label=read_json(Path(params.state))["label"],
    )
    table = parse_version(params.features)
    return read_manifest(table.path, table.version, columns)


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
    where = {"root": "", "checkpoint_steps": 0}
    decides = {**asdict(params), **where, "state": fingerprint(_state_content(params))}
    return step_key(STEP, layout, decides)


def _state_content(params: TrainParams) -> Any:
    _features(params)  # says what to do if the file is not there
    return read_json(Path(params.state))


def _record(key: StepKey) -> Path:
    return key.layout.steps / f"{key.step}-{key.fingerprint}.json"


def _is_there(result: StepResult) -> bool:
    return all(Path(path).exists() for path in result.files.values())


def _flags(params: TrainParams) -> list[str]:
    flags: list[str] = []
    for item in fields(params):
        value, name = getattr(params, item.name), item.name.replace("_", "-")
        if isinstance(value, bool):
            flags.append(f"--{'' if value else 'no-'}{name}")
            continue
        values = value if isinstance(value, tuple) else (value,)
        flags += [f"--{name}", *map(str, values)]
    return flags
