"""Several networks as one plain file: it says what the arithmetic of the combination says."""

from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

from pipelines.errors import ParameterError
from pipelines.evaluation.arrays import Arrays
from pipelines.evaluation.combination import METHODS, Mean, Method, combine, fit_combination
from pipelines.evaluation.joined_model import join_members
from pipelines.evaluation.predict import make_predictor, open_predictor
from pipelines.state import file_digest
from schemas.target import BINARY, Target

TARGETS = {
    "binary": BINARY,
    "classes": Target("classes", classes=("a", "b", "c")),
    "number": Target("number", mean=10.0, deviation=4.0, unit="days"),
}
ROWS = 60


def _network(target: Target, seed: int, codes: int = 2) -> Any:
    """Make a network as train does: each has layers of the same names."""
    keras.utils.set_random_seed(seed)
    numeric = keras.Input((3,), dtype="float32", name="numeric")
    categorical: Any = keras.Input((codes,), dtype="int32", name="categorical")
    embedded = keras.layers.Embedding(5, 2, name="embed_0")(categorical[:, 0])
    x = keras.layers.Concatenate(name="concatenate")([numeric, embedded])
    x = keras.layers.Dense(target.width, name="logit" if target.kind == "binary" else "logits")(x)
    if target.kind == "number":
        x = keras.layers.Rescaling(target.deviation, target.mean, name="number")(x)
    return keras.Model({"numeric": numeric, "categorical": categorical}, x, name="same")


def _arrays() -> Arrays:
    random = np.random.default_rng(5)
    numeric = random.normal(size=(ROWS, 3)).astype(np.float32)
    numeric[0] = 500  # logits of hundreds: no probability of exactly 0 or 1 may break anything
    codes = random.integers(0, 5, (ROWS, 2)).astype(np.int32)
    return Arrays(numeric, codes, np.zeros(ROWS, np.int32))


@pytest.mark.parametrize("kind", list(TARGETS))
@pytest.mark.parametrize("method", METHODS)
def test_the_file_says_what_the_arithmetic_says(kind: str, method: Method, tmp_path: Path) -> None:
    target, rows = TARGETS[kind], _arrays()
    members = [_network(target, seed) for seed in (1, 2, 3)]
    given = np.stack([make_predictor(m, target, is_raw=True)(rows) for m in members], axis=1)
    random = np.random.default_rng(6)
    label = random.normal(10, 4, ROWS) if kind == "number" else random.integers(0, 2, ROWS)
    combination = fit_combination(given, label, target, method)
    path = tmp_path / "model.keras"
    join_members(members, combination, target).save(path)
    found = open_predictor(str(path), file_digest(path), target)(rows)
    assert np.isfinite(found).all()
    assert found == pytest.approx(combine(given, combination, target), rel=2e-4, abs=2e-5)


def test_a_member_without_a_share_is_left_out() -> None:
    members = [_network(BINARY, seed) for seed in (1, 2, 3)]
    joined = join_members(members, Mean((0.5, 0.0, 0.5)), BINARY)
    assert [layer.name for layer in joined.layers if "member" in layer.name] == [
        "member_1",
        "member_3",
    ]


def test_networks_of_other_inputs_are_refused() -> None:
    with pytest.raises(ParameterError, match="expected networks of the same inputs"):
        join_members([_network(BINARY, 1), _network(BINARY, 2, codes=3)], Mean((0.5, 0.5)), BINARY)
