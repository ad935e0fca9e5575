"""Trainings that make a smaller network: pruned, and taught by a larger one."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

from pipelines.errors import ParameterError
from pipelines.step import StepResult
from pipelines.train import TrainParams, run
from pipelines.training import distributed
from pipelines.training.home import training_key
from pipelines.world import ONE
from tests.pipelines import tiny, tiny_labels


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> TrainParams:
    """What the teacher is trained with."""
    folder = tmp_path_factory.mktemp("taught")
    return TrainParams(
        "tiny", tiny.write_features(folder / "features"), tiny.write_state(folder / "state.json"),
        str(folder / "lake"), epochs=4, global_batch_size=48, hidden=(16,), dropout=0.0,
        learning_rate=0.02, patience=0,
    )  # fmt: skip


@pytest.fixture(scope="module")
def teacher(large: TrainParams) -> StepResult:
    distributed.start()
    return run(large, ONE)


@pytest.fixture
def small(large: TrainParams, teacher: StepResult) -> TrainParams:
    return replace(large, hidden=(2,), teacher=teacher.files["model"])


def _kernels(made: StepResult) -> list[Any]:
    model: Any = keras.saving.load_model(made.files["model"])
    variables = model.trainable_variables
    return [v.numpy() for v in variables if v.path.endswith(("kernel", "embeddings"))]


def test_the_saved_model_has_exactly_the_zeros_that_were_promised(large: TrainParams) -> None:
    distributed.start()
    made = run(replace(large, prune_to=0.8), ONE)
    kernels = _kernels(made)
    zeros = [int(np.sum(kernel == 0)) for kernel in kernels]
    assert zeros == [int(0.8 * kernel.size + 0.5) for kernel in kernels]
    said = {"zero": sum(zeros), "of": sum(kernel.size for kernel in kernels)}
    assert made.details["zeros"] == said


def test_a_student_whom_only_the_teacher_counts_for_comes_close_to_it(
    large: TrainParams, teacher: StepResult
) -> None:
    others = replace(large, seed=2, hidden=(16,), epochs=24)
    taught = run(replace(others, teacher=teacher.files["model"], distill_weight=1.0), ONE)
    alone = run(others, ONE)
    random = np.random.default_rng(1)
    rows = {
        "numeric": random.normal(size=(500, 2)).astype("float32"),
        "categorical": random.integers(3, size=(500, 1)).astype("int32"),
    }
    models: list[Any] = [
        keras.saving.load_model(made.files["model"]) for made in (taught, alone, teacher)
    ]
    logits = [model(rows) for model in models]
    apart = [float(np.mean((logit - logits[2]) ** 2)) for logit in logits[:2]]
    # the labels are noisy: by itself another seed goes another way
    assert apart[0] < apart[1] / 20


def test_another_teacher_is_another_training(small: TrainParams, tmp_path: Path) -> None:
    other = tiny.save_model(tmp_path / "other.keras")
    assert training_key(small) != training_key(replace(small, teacher=other))
    copy = tmp_path / "copy.keras"
    copy.write_bytes(Path(small.teacher).read_bytes())
    assert training_key(small) == training_key(replace(small, teacher=str(copy)))


def test_a_teacher_that_is_not_there_is_refused(small: TrainParams) -> None:
    with pytest.raises(ParameterError, match="--teacher: expected a model file; found none at '/n"):
        run(replace(small, teacher="/none.keras"), ONE)


def test_a_teacher_that_was_changed_since_is_refused(small: TrainParams) -> None:
    path = Path(small.teacher)
    kept = path.read_bytes()
    try:
        path.write_bytes(kept + b" ")
        with pytest.raises(
            ParameterError, match=r"--teacher: expected .* The file was changed since"
        ):
            run(small, ONE)
    finally:
        path.write_bytes(kept)


def test_a_teacher_of_another_state_is_refused(small: TrainParams, tmp_path: Path) -> None:
    state = tmp_path / "state.json"
    state.write_text(Path(small.state).read_text().replace('"size": 3', '"size": 4'))
    message = r"--teacher: expected a model trained with the features state .*; .* was trained with"
    with pytest.raises(ParameterError, match=message):
        run(replace(small, state=str(state)), ONE)


def test_a_teacher_of_another_label_is_refused(small: TrainParams, tmp_path: Path) -> None:
    made = tiny_labels.make(tmp_path, tiny_labels.SIZES)
    copy = tmp_path / "copy.keras"
    copy.write_bytes(Path(small.teacher).read_bytes())
    params = replace(
        small, features=made.features, state=made.state, teacher=str(copy), root=str(tmp_path)
    )
    with pytest.raises(ParameterError, match=r"expected a model whose last layer has .* width 3"):
        run(params, ONE)
    assert not list(tmp_path.rglob("*.npz"))
