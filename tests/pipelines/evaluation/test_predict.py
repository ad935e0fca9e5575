from pathlib import Path

import numpy as np
import pytest

from pipelines.errors import ParameterError
from pipelines.evaluation.arrays import Arrays
from pipelines.evaluation.predict import num_opened, open_predictor
from pipelines.state import file_digest
from tests.pipelines import tiny

ROWS = Arrays(
    np.array([[5.0, 0.5], [0.0, -2.0]], np.float32),
    np.array([[0], [2]], np.int32),
    np.zeros(2, np.int32),
)


def _open(path: str) -> list[float]:
    return open_predictor(path, file_digest(Path(path)))(ROWS).tolist()


def test_a_logit_and_a_probability_model_give_the_same_probabilities(tmp_path: Path) -> None:
    probable = _open(tiny.save_model(tmp_path / "sigmoid.keras"))
    assert _open(tiny.save_model(tmp_path / "linear.keras", activation="linear")) == pytest.approx(
        probable, abs=1e-6
    )
    # 0.1 * 5 + 2 * 0.5 and the small embedding; 2 * -2 and the small embedding
    assert probable == pytest.approx([0.82, 0.02], abs=0.03)


def test_a_model_with_another_output_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ParameterError, match="has the activation relu"):
        _open(tiny.save_model(tmp_path / "relu.keras", activation="relu"))


def test_a_model_is_opened_once_per_process(tmp_path: Path) -> None:
    path = tiny.save_model(tmp_path / "model.keras")
    for _ in range(3):
        _open(path)
    assert num_opened(path) == 1


def test_a_changed_file_is_refused_before_it_is_opened(tmp_path: Path) -> None:
    path = Path(tiny.save_model(tmp_path / "model.keras"))
    digest = file_digest(path)
    path.write_bytes(path.read_bytes() + b" ")
    with pytest.raises(ParameterError, match=f"expected SHA-256 {digest}"):
        open_predictor(str(path), digest)
    assert num_opened(str(path)) == 0
