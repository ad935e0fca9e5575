"""Checkpoints that are whole or absent, checked when read, and enough to go on bit for bit.

The weights go to a file of their own name; then a small JSON file, the pointer, is replaced in
one rename and names that file with its SHA-256. A kill at any moment leaves the pointer at a file
that is complete. A thread writes: training waits for the copy of the state only.
"""

import hashlib
import io
import json
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipelines.errors import TrainingError
from pipelines.state import read_json, write_bytes, write_json

_POINTER = "pointer.json"


@dataclass(slots=True)
class Progress:
    """How far a run has come; ``epoch`` counts finished epochs.

    ``step`` counts the finished steps of the epoch that is under way, ``loss_sum`` and ``rows``
    are what they have added up to over all ranks. ``rate_state`` is what the learning rate has
    seen.
    """

    epoch: int = 0
    best_epoch: int = 0
    best_loss: float | None = None
    history: list[dict[str, float]] = field(default_factory=list)
    seconds: float = 0.0
    step: int = 0
    loss_sum: float = 0.0
    rows: float = 0.0
    rate_state: list[float] = field(default_factory=list)


class Checkpoints:
    """The last and the best state of one training, in one folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._writer = ThreadPoolExecutor(1, "checkpoint")
        self._pending: Future[None] | None = None

    def save(self, variables: Sequence[Any], progress: Progress) -> None:
        """Keep the state as the last one, and as the best if it is; see ``wait``.

        Args:
            variables: Keras variables of model and optimizer, in a fixed order.
            progress: ``best_epoch == epoch`` at the end of an epoch says that this state is the
                best one.

        Raises:
            OSError: The state before this one could not be written.
        """
        arrays = [np.array(variable.numpy()) for variable in variables]
        self.wait()
        self._pending = self._writer.submit(self._write, arrays, replace(progress))

    def wait(self) -> None:
        """Wait until the last state is on disk; raises what writing it raised."""
        pending, self._pending = self._pending, None
        if pending:
            pending.result()

    def _write(self, arrays: Sequence[NDArray[Any]], progress: Progress) -> None:
        content = _packed(arrays)
        name = f"epoch-{progress.epoch:04d}-step-{progress.step:06d}.npz"
        write_bytes(self._folder / name, content)
        last = {"file": name, "sha256": hashlib.sha256(content).hexdigest()}
        is_best = progress.step == 0 and progress.best_epoch == progress.epoch
        best = last if is_best else self._pointer().get("best")
        pointer = {"last": last, "best": best, "progress": asdict(progress)}
        write_json(self._folder / _POINTER, pointer)
        kept = {entry["file"] for entry in (last, best) if entry}
        for old in self._folder.glob("epoch-*.npz"):
            if old.name not in kept:
                old.unlink()

    def load(self, which: str) -> tuple[bytes, Progress] | None:
        """Give the packed ``last`` or ``best`` state and the progress; None if there is none.

        Raises:
            TrainingError: The file is gone or its digest differs.
        """
        self.wait()
        pointer = self._pointer()
        if not pointer.get(which):
            return None
        path = self._folder / pointer[which]["file"]
        content = path.read_bytes() if path.exists() else b""
        came = hashlib.sha256(content).hexdigest()
        if came != pointer[which]["sha256"]:
            raise TrainingError(
                f"{path}: expected a checkpoint with SHA-256 {pointer[which]['sha256'][:12]}; got "
                f"{came[:12] if content else 'no file'}. It was altered or deleted: delete the "
                f"folder {self._folder.parent} and train again"
            )
        return content, Progress(**pointer["progress"])

    def _pointer(self) -> dict[str, Any]:
        path = self._folder / _POINTER
        return read_json(path) if path.exists() else {}


def read_progress(folder: Path) -> Progress | None:
    """Give how far a training has come that has its checkpoints in ``folder``, if it has any."""
    path = folder / _POINTER
    return Progress(**read_json(path)["progress"]) if path.exists() else None


def restore(variables: Sequence[Any], content: bytes) -> None:
    """Assign a packed state to ``variables``.

    Raises:
        TrainingError: The state belongs to another model.
    """
    with np.load(io.BytesIO(content), allow_pickle=False) as packed:
        arrays = [packed[f"{number:05d}"] for number in range(len(packed.files))]
    came = [(array.shape, str(array.dtype)) for array in arrays]
    wanted = [(tuple(variable.shape), str(variable.numpy().dtype)) for variable in variables]
    if came != wanted:
        raise TrainingError(
            f"expected a checkpoint of {len(wanted)} variables of this model; got {len(came)} of "
            "other shapes. Delete the training's folder and train again"
        )
    for variable, array in zip(variables, arrays, strict=True):
        variable.assign(array)


def pack_progress(content: bytes, progress: Progress) -> bytes:
    """Put a state and its progress into one string of bytes, to be broadcast."""
    said = json.dumps(asdict(progress)).encode()
    return len(said).to_bytes(8, "big") + said + content


def unpack_progress(packed: bytes) -> tuple[bytes, Progress]:
    """Undo ``pack_progress``."""
    length = int.from_bytes(packed[:8], "big")
    return packed[8 + length :], Progress(**json.loads(packed[8 : 8 + length]))


def _packed(arrays: Sequence[Any]) -> bytes:
    buffer = io.BytesIO()
    np.savez(buffer, **{f"{number:05d}": array for number, array in enumerate(arrays)})
    return buffer.getvalue()
