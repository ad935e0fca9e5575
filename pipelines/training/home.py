"""Where a training is kept, where it works, and what decides its name."""

from dataclasses import asdict
from pathlib import Path

from pipelines.errors import ParameterError
from pipelines.layout import Layout
from pipelines.state import fingerprint, read_features, read_json
from pipelines.step import StepKey, step_key
from pipelines.storage.copies import put_folder
from pipelines.storage.place import RemotePath, place
from pipelines.training.parameters import TrainParams

STEP = "train"
# where it is kept and how often changes nothing in the result
_UNDECIDING = {"root": "", "checkpoint_steps": 0, "buffer_mb": 0, "cache": "", "cache_mb": 0}


def training_key(params: TrainParams) -> StepKey:
    """Give the key of a training: its parameters, and what its features state holds.

    Raises:
        ParameterError: There is no such state, or a flag means nothing with its label.
    """
    layout = Layout(params.root, params.dataset)
    # says what to do if the file is not there
    params.loss_of(read_features(place(params.state)).target)
    state = fingerprint(read_json(place(params.state)))
    return step_key(STEP, layout, {**asdict(params), **_UNDECIDING, "state": state})


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


def record_of(key: StepKey) -> Path:
    """Give the file of a step's record."""
    return key.layout.steps / f"{key.step}-{key.fingerprint}.json"
