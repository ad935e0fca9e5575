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
from typing import TYPE_CHECKING

from pipelines.cli import to_flags
from pipelines.errors import ParameterError, TrainingError
from pipelines.given_networks import begin_with, open_teacher, resolve_start
from pipelines.loading.augmentation import parse_augmentation
from pipelines.loading.local_copies import LocalCopies
from pipelines.state import file_digest, read_features, write_bytes, write_json
from pipelines.step import StepKey, StepResult, once, read_result, recorded
from pipelines.storage.place import is_remote, place
from pipelines.tables.version import TableVersion, parse_version
from pipelines.training.heartbeat import HANG_S, heartbeat
from pipelines.training.home import (
    STEP,
    bring_home,
    kept_at,
    training_key,
    work_folder,
)
from pipelines.training.method import BALANCED
from pipelines.training.parameters import TrainParams
from pipelines.training.start import Start, start_ranks
from pipelines.world import World
from schemas.encode import FeatureSet

if TYPE_CHECKING:
    import keras

    from pipelines.loading.dataset import Reading
    from pipelines.loading.manifest import Manifest
    from pipelines.training.settings import LoopSettings, Outcome

_MIXED = re.compile(r"^(.+@v\d+)=(0?\.\d+)$")
_FILES = {"model": "model.keras", "history": "history.json", "tensorboard": "tensorboard"}
_AUGMENTED = {"augmented": "augmented.png"}
_JOB = Path(__file__).parent.parent / "jobs" / "train.py"


def trained(params: TrainParams) -> StepResult | None:
    """Give the recorded result of this very training, or None if it is still to be done."""
    return recorded(training_key(resolve_start(params)), _is_there)


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
    params = resolve_start(params)
    _check_augmentation(params)
    key = training_key(params)
    work_folder(params, key)
    if known := recorded(key, _is_there):
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


def _require_passed(params: TrainParams) -> None:
    from pipelines.tables.ledger_table import require_passed  # noqa: PLC0415  a trained one needs none

    # under a local root a remote table is a copy: its ledger is where it was made
    is_asked = is_remote(params.root)
    tables = [table for table in _tables(params)[0] if is_asked or not is_remote(table.path)]
    require_passed(map(str, tables))


def _pin(params: TrainParams, key: StepKey) -> None:
    """From here on, upkeep leaves the files of these versions alone."""
    from pipelines.tables.pins import pin_tables  # noqa: PLC0415  see _require_passed

    pin_tables(kept_at(key), _tables(params)[0])


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
    params = resolve_start(params)
    key = training_key(params)
    if known := recorded(key, _is_there):
        return known
    _require_passed(params)
    if not world.is_root:
        return _train(params, key, world, supervision)
    _pin(params, key)
    return once(key, lambda: _train(params, key, world, supervision), _is_there)


def _train(params: TrainParams, key: StepKey, world: World, supervision: Supervision) -> StepResult:
    from pipelines.loading.mixture import plans_of  # noqa: PLC0415  see the module's docstring
    from pipelines.loading.training_tables import describe, open_splits  # noqa: PLC0415
    from pipelines.training.loop import Loop  # noqa: PLC0415
    from pipelines.training.pruning import count_zeros  # noqa: PLC0415
    from pipelines.training.transfer import thaw  # noqa: PLC0415
    from pipelines.training.where_time_went import where_time_went  # noqa: PLC0415

    features = read_features(place(params.state))
    given, shares = _tables(params)
    tables = _read_tables(params, given, features, world)
    folder = work_folder(params, key)
    reading = _reading(params, features)
    train, validation = open_splits(tables, shares, world, reading)
    plans = plans_of(train)
    said = [describe(table, plan, world) for table, plan in zip(tables, plans, strict=True)]
    _tell(world, *said)
    model, settings = _build(params, features, tables[0], folder)
    start = begin_with(params, features, model)
    _tell(world, *start.values())
    with closing(train), closing(validation), heartbeat(world, supervision.hang_s) as beat:
        outcome = Loop(model, train, validation, settings, world).run(beat, supervision.pause)
    thaw(model)
    said_time = where_time_went(outcome)
    _tell(world, said_time)
    digest = ""
    if world.is_root:
        _draw_augmented(tables[0], reading, folder)
        digest = _write(model, outcome, folder, key)
    details = (
        outcome.details(world.size)
        | start
        | {
            "where_time_went": said_time,
            "plan": train.plan.fingerprint(),
            "tables": said,
            "steps_per_epoch": train.plan.num_steps,
            "parameters": asdict(params),
            "num_weights": int(model.count_params()),
            "zeros": count_zeros(model.trainable_variables),
            # the root alone holds the file; its result is the one that is kept
            "model_sha256": digest,
        }
    )
    names = _FILES | (_AUGMENTED if reading.augmentation else {})
    files = {name: str(kept_at(key) / file) for name, file in names.items()}
    return StepResult(STEP, params.dataset, key.fingerprint, files=files, details=details)


def _build(
    params: TrainParams, features: FeatureSet, table: "Manifest", folder: Path
) -> tuple["keras.Model", "LoopSettings"]:
    from pipelines.loading.label_counts import count_labels  # noqa: PLC0415
    from pipelines.training.models import build_model_of  # noqa: PLC0415
    from pipelines.training.settings import LoopSettings  # noqa: PLC0415

    model = build_model_of(params, features)
    counts = count_labels(table, "train") if BALANCED in params.class_weights else ()
    settings = LoopSettings.of(params, folder, counts, features.target)
    if params.teacher:
        settings = replace(settings, teacher=open_teacher(params, features, model))
    return model, settings


def _write(model: "keras.Model", outcome: "Outcome", folder: Path, key: StepKey) -> str:
    """Write what is left of a training, and put it where it is kept; give the model's digest."""
    from pipelines.training.models import save_model  # noqa: PLC0415

    file = folder / _FILES["model"]
    save_model(model, file)
    write_json(folder / _FILES["history"], asdict(outcome.progress))
    bring_home(folder, key)
    return file_digest(file)


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

        write_bytes(folder / _AUGMENTED["augmented"], draw_augmented(table, reading))


def _read_tables(
    params: TrainParams, given: list[TableVersion], features: FeatureSet, world: World
) -> list["Manifest"]:
    from pipelines.loading.columns import InputColumns  # noqa: PLC0415
    from pipelines.loading.row_filter import parse_filter  # noqa: PLC0415
    from pipelines.loading.training_tables import Wanted, read_tables  # noqa: PLC0415

    wanted = Wanted(
        InputColumns.of(features, params.max_tokens),
        [parse_filter(text) for text in params.where],
        LocalCopies(params.cache, params.cache_mb),
        params.rows_per_class,
        params.seed,
    )
    pairs = [(table.path, table.version) for table in given]
    return read_tables(pairs, wanted, features, world)


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


def _is_there(result: StepResult) -> bool:
    return all(place(path).exists() for path in result.files.values())
