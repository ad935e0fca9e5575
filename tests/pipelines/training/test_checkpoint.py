"""Checkpoints: whole, verified, last and best."""

from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

from pipelines.errors import TrainingError
from pipelines.training.checkpoint import (
    Checkpoints,
    Progress,
    pack_progress,
    restore,
    unpack_progress,
)


def _variables(value: float) -> list[Any]:
    return [
        keras.Variable(np.full((2, 3), float(value))),
        keras.Variable(np.int64(7), dtype="int64"),
    ]


def _save(store: Checkpoints, epoch: int, best: int) -> None:
    store.save(_variables(epoch), Progress(epoch, best, 0.5, [{"epoch": epoch}]))
    store.wait()


def _value(store: Checkpoints, which: str) -> float:
    found = store.load(which)
    assert found is not None
    variables = _variables(0)
    restore(variables, found[0])
    assert variables[1].numpy() == 7
    return float(variables[0].numpy()[0, 0])


def test_last_and_best_are_kept_and_the_rest_is_deleted(tmp_path: Path) -> None:
    store = Checkpoints(tmp_path)
    assert store.load("last") is None
    for epoch, best in ((1, 1), (2, 2), (3, 2), (4, 2)):
        _save(store, epoch, best)
    assert (_value(store, "last"), _value(store, "best")) == (4.0, 2.0)
    assert sorted(path.name for path in tmp_path.glob("*.npz")) == [
        "epoch-0002-step-000000.npz",
        "epoch-0004-step-000000.npz",
    ]


def test_a_state_inside_an_epoch_is_the_last_and_never_the_best(tmp_path: Path) -> None:
    store = Checkpoints(tmp_path)
    store.save(_variables(0.5), Progress(0, 0, step=7))
    assert store.load("best") is None
    assert _value(store, "last") == 0.5
    _save(store, 1, 1)
    store.save(_variables(1.5), Progress(1, 1, 0.5, step=7, loss_sum=0.1, rows=48.0))
    found = store.load("last")
    assert found is not None
    assert found[1] == Progress(1, 1, 0.5, step=7, loss_sum=0.1, rows=48.0)
    assert (_value(store, "last"), _value(store, "best")) == (1.5, 1.0)


def test_what_is_kept_is_the_state_when_it_was_said(tmp_path: Path) -> None:
    store, variables, progress = Checkpoints(tmp_path), _variables(1.0), Progress(1, 1)
    store.save(variables, progress)
    variables[0].assign(np.full((2, 3), 9.0))  # while the thread may still write
    progress.epoch = 5
    assert _value(store, "last") == 1.0
    assert store.load("last")[1].epoch == 1  # pyright: ignore[reportOptionalSubscript]


@pytest.mark.proves("F25")
def test_a_kill_between_weights_and_pointer_leaves_the_earlier_checkpoint(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = Checkpoints(tmp_path)
    _save(store, 1, 1)
    with monkeypatch.context() as patch:
        patch.setattr("pipelines.training.checkpoint.write_json", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            _save(store, 2, 2)
    assert (_value(store, "last"), _value(store, "best")) == (1.0, 1.0)


@pytest.mark.proves("F19")
@pytest.mark.parametrize("harm", ["flip", "cut", "delete"])
def test_an_altered_checkpoint_is_refused(tmp_path: Path, harm: str) -> None:
    store = Checkpoints(tmp_path)
    _save(store, 1, 1)
    path = tmp_path / "epoch-0001-step-000000.npz"
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.unlink()
    if harm != "delete":
        path.write_bytes(content if harm == "flip" else content[:-10])
    with pytest.raises(TrainingError, match="expected a checkpoint with SHA-256"):
        store.load("last")


def test_a_checkpoint_of_another_model_is_refused(tmp_path: Path) -> None:
    store = Checkpoints(tmp_path)
    _save(store, 1, 1)
    found = store.load("last")
    assert found is not None
    with pytest.raises(TrainingError, match="expected a checkpoint of 1 variables"):
        restore(_variables(0)[:1], found[0])


def test_state_and_progress_travel_as_one_string_of_bytes() -> None:
    progress = Progress(3, 2, 0.25, [{"loss": 0.5}], 1.5)
    assert unpack_progress(pack_progress(b"weights", progress)) == (b"weights", progress)
