"""Train a network on a pinned features table, on any number of ranks.

``run`` is what each rank calls; ``launch_training`` starts the ranks and is what a pipeline calls.
TensorFlow is imported inside ``run`` only: a process that launches must start at once.
"""

import json
import re
import sys
from collections.abc import Callable
from contextlib import closing
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipelines.cli import to_flags
from pipelines.errors import ParameterError, TrainingError
from pipelines.layout import Layout
from pipelines.loading.augmentation import parse_augmentation
from pipelines.loading.local_copies import LocalCopies
from pipelines.state import (
    file_digest,
    fingerprint,
    read_features,
    read_json,
    write_bytes,
    write_json,
)
from pipelines.step import StepKey, StepResult, once, read_record, read_result, step_key
from pipelines.storage.copies import put_folder
from pipelines.storage.place import RemotePath, is_remote, place
from pipelines.tables.version import TableVersion, parse_version
from pipelines.training.heartbeat import HANG_S, heartbeat
from pipelines.training.method import BALANCED
from pipelines.training.parameters import TrainParams
from pipelines.training.start import Start, start_ranks
from pipelines.world import World
from schemas.encode import FeatureSet

if TYPE_CHECKING:
    from pipelines.loading.dataset import Reading
    from pipelines.loading.manifest import Manifest
    from pipelines.training.settings import Outcome

STEP = "train"
_MIXED = re.compile(r"^(.+@v\d+)=(0?\.\d+)$")
_JOB = Path(__file__).parent.parent / "jobs" / "train.py"


def trained(params: TrainParams) -> StepResult | None:
    """Give the recorded result of this very training, or None if it is still to be done."""
    path = _record(_key(params))
    if not path.exists():
        return None
    known = read_record(path)
    return replace(known, is_reused=True) if _is_there(known) else None


def launch_training(
    params: TrainParams,
    num_processes: int,
    restarts: int = 0,
    hang_s: float = HANG_S,
    elastic_min: int = 0,
) -> StepResult:
    """Train on ``num_processes`` ranks of this machine; a finished training is not repeated.

    See ``Start`` for the other arguments, ``start_training`` for what is raised.
    """
    sizes = _sizes() if elastic_min else ()
    return start_training(params, Start(num_processes, restarts, hang_s, elastic_min, sizes))


def start_training(params: TrainParams, start: Start) -> StepResult:
    """Train on ranks of this machine; a finished training is not repeated.

    Raises:
        ParameterError: The numbers make no sense.
        RankLostError: A rank was killed or hangs, and no restart is left.
        StoppedError: ``start.is_over`` has said so.
        TableError: A remote table can't be fetched.
        TrainingError: A rank failed; with its number and its last words.
    """
    _check_augmentation(params)
    _work_folder(params, _key(params))
    if known := trained(params):
        return known
    _require_passed(params)
    tables = [(table.path, table.version) for table in _tables(params)[0]]
    with LocalCopies(params.cache, params.cache_mb).kept(tables):
        printed = start_ranks([sys.executable, str(_JOB), *to_flags(params)], start)
    lines = printed.strip().splitlines()
    if not lines:
        raise TrainingError("expected one JSON line from rank 0; it printed nothing")
    return read_result(json.loads(lines[-1]))


def _check_augmentation(params: TrainParams) -> None:
    images = read_features(place(params.state)).images
    if parse_augmentation(params.augment) and not images:
        raise ParameterError(
            "--augment varies images; the features state names none. Leave it out, or encode a "
            "column with Picture in the contract"
        )


def checkpoints_of(params: TrainParams) -> Path:
    """Give the folder in which a training says how far it has come; see ``read_progress``."""
    return _work_folder(params, _key(params)) / "checkpoints"


def _require_passed(params: TrainParams) -> None:
    from pipelines.tables.ledger_table import require_passed  # noqa: PLC0415  a trained one needs none

    # under a local root a remote table is a copy: its ledger is where it was made
    is_asked = is_remote(params.root)
    tables = [table for table in _tables(params)[0] if is_asked or not is_remote(table.path)]
    require_passed(map(str, tables))


def _pin(params: TrainParams, key: StepKey) -> None:
    """From here on, upkeep leaves the files of these versions alone."""
    from pipelines.tables.pins import pin_tables  # noqa: PLC0415  see _require_passed

    pin_tables(key.layout.trainings / key.fingerprint, _tables(params)[0])


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
        DataQualityError: The table has not passed its checks.
        ParameterError: Batch size or number of ranks do not fit.
        TableError: The table is missing, unsafe to read, or has an empty split.
        TrainingError: One class only, too few rows, a loss that is NaN, ranks that differ.
    """
    if known := trained(params):
        return known
    _require_passed(params)
    key = _key(params)
    if not world.is_root:
        return _train(params, key, world, supervision)
    _pin(params, key)
    return once(key, lambda: _train(params, key, world, supervision), _is_there)


def _train(params: TrainParams, key: StepKey, world: World, supervision: Supervision) -> StepResult:
    from pipelines.loading.label_counts import count_labels  # noqa: PLC0415  see the module's docstring
    from pipelines.loading.mixture import plans_of  # noqa: PLC0415
    from pipelines.loading.training_tables import describe, open_splits  # noqa: PLC0415
    from pipelines.training.loop import Loop  # noqa: PLC0415
    from pipelines.training.models import build_model_of, save_model  # noqa: PLC0415
    from pipelines.training.settings import LoopSettings  # noqa: PLC0415
    from pipelines.training.where_time_went import where_time_went  # noqa: PLC0415

    features = read_features(place(params.state))
    tables, shares = _manifests(params, features, world)
    folder = _work_folder(params, key)
    reading = _reading(params, features)
    train, validation = open_splits(tables, shares, world, reading)
    plans = plans_of(train)
    said = [describe(table, plan, world) for table, plan in zip(tables, plans, strict=True)]
    files = {"model": "model.keras", "history": "history.json", "tensorboard": "tensorboard"}
    if reading.augmentation:
        files["augmented"] = "augmented.png"
    _tell(world, *said)
    model = build_model_of(params, features)
    counts = count_labels(tables[0], "train") if BALANCED in params.class_weights else ()
    settings = LoopSettings.of(params, folder, counts, features.target)
    with closing(train), closing(validation), heartbeat(world, supervision.hang_s) as beat:
        outcome = Loop(model, train, validation, settings, world).run(beat, supervision.pause)
    said_time = where_time_went(outcome)
    _tell(world, said_time)
    if world.is_root:
        save_model(model, folder / "model.keras")
        _draw_augmented(tables[0], reading, folder)
        _keep(folder, _kept_at(key), asdict(outcome.progress))
    details = _details(outcome, world) | {
        "where_time_went": said_time,
        "plan": train.plan.fingerprint(),
        "tables": said,
        "steps_per_epoch": train.plan.num_steps,
        "parameters": asdict(params),
        "num_weights": int(model.count_params()),
        # the root alone holds the file; its result is the one that is kept
        "model_sha256": file_digest(folder / "model.keras") if world.is_root else "",
    }
    return StepResult(
        STEP,
        params.dataset,
        key.fingerprint,
        files={name: str(_kept_at(key) / file) for name, file in files.items()},
        details=details,
    )


def _tell(world: World, *said: str) -> None:
    if world.is_root:
        sys.stderr.write("".join(f"train: {text}\n" for text in said))


def _reading(params: TrainParams, features: FeatureSet) -> "Reading":
    from pipelines.loading.dataset import Reading  # noqa: PLC0415

    return Reading(
        params.global_batch_size,
        params.seed,
        params.memory_mb,
        params.buffer_mb,
        is_trimmed=bool(features.tokens),
        augmentation=parse_augmentation(params.augment),
    )


def _draw_augmented(table: "Manifest", reading: "Reading", folder: Path) -> None:
    """Keep a page of what augmentation makes of images, for the report."""
    if reading.augmentation:
        from pipelines.loading.augmented_grid import draw_augmented  # noqa: PLC0415

        write_bytes(folder / "augmented.png", draw_augmented(table, reading))


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


def _manifests(
    params: TrainParams, features: FeatureSet, world: World
) -> tuple[list["Manifest"], list[float]]:
    """Give the tables to learn from, and of each but the first its share of a batch."""
    from pipelines.loading.columns import InputColumns  # noqa: PLC0415
    from pipelines.loading.manifest import read_manifest  # noqa: PLC0415
    from pipelines.loading.row_filter import parse_filter  # noqa: PLC0415

    columns = InputColumns.of(features, params.max_tokens)
    filters = [parse_filter(text) for text in params.where]
    tables, shares = _tables(params)
    copies = LocalCopies(params.cache, params.cache_mb)
    found = [
        read_manifest(
            copies.local(table.path, table.version), table.version, columns, filters, world
        )
        for table in tables
    ]
    _check_labels(found[0], features)
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


def _check_labels(manifest: "Manifest", features: FeatureSet) -> None:
    found = manifest.label_range("train")
    if found is not None and found[0] == found[1]:
        words = {"binary": "labels 0 and 1", "classes": "labels of several classes"}
        expected = words.get(features.target.kind, "labels that differ")
        raise TrainingError(
            f"{manifest.table}: expected {expected} in split 'train'; all "
            f"{manifest.num_rows('train')} rows have {found[0]}. Change the label or the split of "
            "the contract"
        )


def _key(params: TrainParams) -> StepKey:
    layout = Layout(params.root, params.dataset)
    # where it is kept and how often changes nothing in the result
    where = {"root": "", "checkpoint_steps": 0, "buffer_mb": 0, "cache": "", "cache_mb": 0}
    # says what to do if the file is not there
    params.loss_of(read_features(place(params.state)).target)
    state = fingerprint(read_json(place(params.state)))
    decides = {**asdict(params), **where, "state": state}
    return step_key(STEP, layout, decides)


def _keep(folder: Path, kept_at: Path, history: dict[str, Any]) -> None:
    write_json(folder / "history.json", history)
    if folder != kept_at:
        put_folder(folder, kept_at, but="checkpoints")


def _kept_at(key: StepKey) -> Path:
    return key.layout.trainings / key.fingerprint


def _work_folder(params: TrainParams, key: StepKey) -> Path:
    """Where checkpoints are: where the result will be, or on a local disk if that is elsewhere."""
    if not isinstance(_kept_at(key), RemotePath):
        return _kept_at(key)
    if not params.cache:
        raise ParameterError(
            f"expected --cache FOLDER, a local folder for the checkpoints of a training under "
            f"{params.root}; got none"
        )
    return Path(params.cache).absolute() / "trainings" / key.fingerprint


def _record(key: StepKey) -> Path:
    return key.layout.steps / f"{key.step}-{key.fingerprint}.json"


def _is_there(result: StepResult) -> bool:
    return all(place(path).exists() for path in result.files.values())
