"""Where a training is kept, where it works, and what decides its name."""

from dataclasses import asdict
from pathlib import Path

from pipelines.errors import ParameterError
from pipelines.layout import Layout
from pipelines.state import file_digest, fingerprint, read_features, read_json
from pipelines.step import StepKey, maker_of, read_record, require_trained, step_key
from pipelines.storage.copies import put_folder
from pipelines.storage.place import RemotePath, place
from pipelines.training.parameters import TrainParams

STEP = "train"
# beside a registered model, see pipelines.registry.package
_STATE_IN_PACKAGE = "features_state.json"
# where it is kept and how often changes nothing in the result
_UNDECIDING = {
    "root": "", "registry": "", "checkpoint_steps": 0, "buffer_mb": 0, "cache": "", "cache_mb": 0,
}  # fmt: skip


def training_key(params: TrainParams) -> StepKey:
    """Give the key of a training: its parameters, and what its features state holds.

    Raises:
        ParameterError: There is no such state, teacher or model to start from, a flag means nothing
            with its label, or the teacher was trained with another state.
    """
    layout = Layout(params.root, params.dataset)
    # says what to do if the file is not there
    params.loss_of(read_features(place(params.state)).target)
    state = fingerprint(read_json(place(params.state)))
    decides = {**asdict(params), **_UNDECIDING, "state": state}
    if params.teacher:
        decides["teacher"] = _check_teacher(params, layout, state)
    if params.start_from:
        meaning = state_beside(params.start_from)
        decides["start_from"] = _digest_of_start(params.start_from)
        decides["start_state"] = fingerprint(read_json(meaning)) if meaning else ""
    return step_key(STEP, layout, decides)


def _check_teacher(params: TrainParams, layout: Layout, state: str) -> str:
    """Give the digest of the teacher's file; of one made here or registered, know what it reads."""
    path = place(params.teacher)
    if not path.is_file():
        raise ParameterError(f"--teacher: expected a model file; found none at {params.teacher!r}")
    digest, maker = file_digest(path), maker_of(layout, params.teacher)
    require_trained(maker, params.teacher, digest, "--teacher")
    known = [path.with_name(_STATE_IN_PACKAGE)]
    if maker and (said := maker.details.get("parameters", {}).get("state")):
        known.append(place(said))
    for file in known:
        if file.is_file() and fingerprint(read_json(file)) != state:
            raise ParameterError(
                f"--teacher: expected a model trained with the features state {params.state}; "
                f"{params.teacher} was trained with {file}, so its inputs mean something else"
            )
    return digest


def state_beside(model: str) -> Path | None:
    """Give the features state that a model was trained with, if it is known.

    It lies beside a registered model; that of one which train made is in its record.
    """
    path = place(model)
    beside = path.with_name(_STATE_IN_PACKAGE)
    if beside.is_file():
        return beside
    folder = path.absolute().parent
    record = folder.parent.parent / "steps" / f"{STEP}-{folder.name}.json"
    if not record.is_file():
        return None
    said = read_record(record).details.get("parameters", {}).get("state", "")
    return place(said) if said and place(said).is_file() else None


def _digest_of_start(model: str) -> str:
    path = place(model)
    if not path.is_file():
        raise ParameterError(
            f"--start-from: expected a model file, NAME@champion or NAME@VERSION; found no file at "
            f"{model!r}"
        )
    return file_digest(path)


def kept_at(key: StepKey) -> Path:
    """Give the folder of the result, which may be on object storage."""
    return key.layout.trainings / key.fingerprint


def work_folder(params: TrainParams, key: StepKey) -> Path:
    """Give where checkpoints are: where the result will be, or under the cache if that is remote.

    Raises:
        ParameterError: The result will be elsewhere, and there is no cache.
    """
    home = kept_at(key)
    if not isinstance(home, RemotePath):
        return home
    if not params.cache:
        raise ParameterError(
            f"expected --cache FOLDER, a local folder for the checkpoints of a training under "
            f"{params.root}; got none"
        )
    return Path(params.cache).absolute() / "trainings" / key.fingerprint


def checkpoints_of(params: TrainParams) -> Path:
    """Give the folder in which a training says how far it has come; see ``read_progress``."""
    return work_folder(params, training_key(params)) / "checkpoints"


def bring_home(folder: Path, key: StepKey) -> None:
    """Put what a training wrote to ``folder`` where it is kept, but for its checkpoints."""
    if folder != kept_at(key):
        put_folder(folder, kept_at(key), but="checkpoints")
