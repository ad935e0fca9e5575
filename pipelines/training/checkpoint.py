"""Checkpoints that are whole or absent, checked when read, and enough to go on bit for bit.

The weights go to a file of their own name; then a small JSON file, the pointer, is replaced in
one rename and names that file with its SHA-256. A kill at any moment leaves the pointer at a file
that is complete.
"""

import hashlib
import io
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from pipelines.errors import TrainingError
from pipelines.state import read_json, write_bytes, write_json


@dataclass(slots=True)
class Progress:
    """How far a run has come; ``epoch`` counts finished epochs."""

    epoch: int = 0
    best_epoch: int = 0
    best_loss: float = float("inf")
    history: list[dict[str, float]] = field(default_factory=list)
    seconds: float = 0.0


class Checkpoints:
    """The last and the best state of one training, in one folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def save(self, variables: Sequence[Any], progress: Progress) -> None:
        """Keep the state after an epoch as the last one, and as the best if it is.

        Args:
            variables: Keras variables of model and optimizer, in a fixed order.
            progress: ``best_epoch == epoch`` says that this state is the best one.
        """
        content = _packed([variable.numpy() for variable in variables])
        name = f"epoch-{progress.epoch:04d}.npz"
        write_bytes(self._folder / name, content)
        is_best = progress.best_epoch == progress.epoch
        best = name if is_best else self._pointer()["best"]["file"]
        digests = {name: hashlib.sha256(content).hexdigest()}
        if not is_best:
            digests[best] = self._pointer()["best"]["sha256"]
        pointer = {
            "last": {"file": name, "sha256": digests[name]},
            "best": {"file": best, "sha256": digests[best]},
            "progress": asdict(progress),
        }
        write_json(self._folder / "pointer.json", pointer)
        for old in self._folder.glob("epoch-*.npz"):
            if old.name not in (name, best):
                old.unlink()

    def load(self, which: str) -> tuple[bytes, Progress] | None:
        """Give the packed ``last`` or ``best`` state and the progress; None if there is none.

        Raises:
            TrainingError: The file is gone or its digest differs.
        """
        if not (self._folder / "pointer.json").exists():
            return None
        pointer = self._pointer()
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
        return read_json(self._folder / "pointer.json")


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
