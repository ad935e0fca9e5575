"""Train a network on a pinned features table, on any number of ranks.

``run`` is what each rank calls; ``launch_training`` starts the ranks and is what a pipeline calls.
TensorFlow is imported inside ``run`` only: a process that launches must start at once.
"""

import json
import os
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipelines.cli import param
from pipelines.errors import ParameterError, TrainingError
from pipelines.layout import Layout
from pipelines.state import fingerprint, read_json, sync_folder, write_json
from pipelines.step import StepKey, StepResult, once, read_result, step_key
from pipelines.tables.version import parse_version
from pipelines.training import launcher
from pipelines.world import World
from schemas.encode import FeatureColumn

if TYPE_CHECKING:
    import keras

    from pipelines.loading.manifest import Manifest
    from pipelines.training.loop import Outcome

STEP = "train"
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
    learning_rate: float = param("peak learning rate of AdamW", 0.002)
    warmup_epochs: float = param("epochs of linear learning-rate warm-up", 0.5)
    weight_decay: float = param("decoupled weight decay of AdamW", 0.004)
    patience: int = param("epochs without a better validation loss before stopping; 0: never", 3)
    hidden: tuple[int, ...] = param("width of each hidden layer", (128, 64))
    dropout: float = param("share of hidden values masked in training", 0.2)
    seed: int = param("decides first weights, order of rows and dropout masks", 1)

    def __post_init__(self) -> None:
        bounds = {
            "epochs": (1, 10_000),
            "warmup_epochs": (0, self.epochs),
            "weight_decay": (0, 1),
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


def launch_training(params: TrainParams, num_processes: int) -> StepResult:
    """Train on ``num_processes`` ranks of this machine; a finished training is not repeated.

    Raises:
        TrainingError: A rank failed; with its number and its last words.
    """
    if num_processes < 1:
        raise ParameterError(f"expected --np >= 1; got {num_processes}")
    if known := trained(params):
        return known
    printed = launcher.launch([sys.executable, str(_JOB), *_flags(params)], num_processes)
    lines = printed.strip().splitlines()
    if not lines:
        raise TrainingError("expected one JSON line from rank 0; it printed nothing")
    return read_result(json.loads(lines[-1]))


def run(params: TrainParams, world: World) -> StepResult:
    """Train as one rank of ``world``; all ranks return the same, the root writes.

    A killed training goes on from its last finished epoch.

    Raises:
        ParameterError: Batch size or number of ranks do not fit.
        TableError: The table is missing, unsafe to read, or has an empty split.
        TrainingError: One class only, too few rows, a loss that is NaN, ranks that differ.
    """
    if known := trained(params):
        return known
    key = _key(params)
    if not world.is_root:
        return _train(params, key, world)
    return once(key, lambda: _train(params, key, world), _is_there)


def _train(params: TrainParams, key: StepKey, world: World) -> StepResult:
    from pipelines.loading.dataset import load_split  # noqa: PLC0415  see the module's docstring
    from pipelines.training.loop import Loop, LoopSettings  # noqa: PLC0415
    from pipelines.training.models import build_model  # noqa: PLC0415

    features = _features(params)
    manifest = _manifest(params, features)
    _check_classes(manifest)
    folder = key.layout.trainings / key.fingerprint
    size = params.global_batch_size
    train = load_split(manifest, "train", world, global_batch_size=size, seed=params.seed)
    validation = load_split(manifest, "validation", world, global_batch_size=size, seed=None)
    model = build_model(features, params.hidden, params.dropout, params.seed)
    settings = LoopSettings(
        folder,
        params.epochs,
        params.learning_rate,
        params.warmup_epochs,
        params.patience,
        params.weight_decay,
        params.seed,
    )
    outcome = Loop(model, train, validation, settings, world).run()
    if world.is_root:
        _save_model(model, folder / "model.keras")
        write_json(folder / "history.json", asdict(outcome.progress))
    details = _details(outcome, world) | {
        "plan": train.plan.fingerprint(),
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
    decides = {**asdict(params), "root": "", "state": fingerprint(_state_content(params))}
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
        value = getattr(params, item.name)
        values = value if isinstance(value, tuple) else (value,)
        flags += [f"--{item.name.replace('_', '-')}", *map(str, values)]
    return flags
