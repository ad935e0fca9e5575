"""Networks of texts: what is padding counts nowhere, and what is saved is plain Keras."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

from pipelines.errors import ParameterError
from pipelines.evaluation.arrays import Arrays
from pipelines.evaluation.model_file import check_model_file
from pipelines.evaluation.predict import open_predictor
from pipelines.state import file_digest
from pipelines.training.method import TEXT_NETWORKS
from pipelines.training.models import build_model_of, save_model
from pipelines.training.networks.catalog import suited_network
from pipelines.training.parameters import TrainParams
from schemas.encode import FeatureColumn, FeatureSet

LENGTHS = (0, 1, 3, 7, 12)
# more than a batch of them has: a network looks at no more
TOKENS = FeatureColumn("text_tokens", "tokens", size=50, length=31)
FEATURES = FeatureSet(("x",), ("c",), (4,), "label", tokens=(TOKENS,))
TABLE = FeatureSet(("x",), (), (), "label")


def params(network: str, **changes: Any) -> TrainParams:
    return TrainParams(
        "d", "f", "s", network=network, embedding_dim=8, hidden=(8,), activation="tanh", **changes
    )


def inputs(width: int) -> dict[str, Any]:
    """Five texts in ``width`` places; their words do not depend on it."""
    random = np.random.default_rng(2)
    tokens = np.zeros((len(LENGTHS), width), np.int32)
    for row, length in enumerate(LENGTHS):
        tokens[row, :length] = random.integers(1, 50, 12)[:length]
    return {
        "numeric": np.ones((len(LENGTHS), 1), np.float32),
        "categorical": np.ones((len(LENGTHS), 1), np.int32),
        "text_tokens": tokens,
        "text_tokens_length": np.array(LENGTHS, np.int32),
    }


@pytest.mark.parametrize("network", TEXT_NETWORKS)
def test_the_width_of_a_batch_changes_no_answer_and_no_text_is_a_number(network: str) -> None:
    model: Any = build_model_of(params(network), FEATURES)
    narrow, wide = (np.asarray(model(inputs(width))) for width in (12, 31))
    np.testing.assert_allclose(narrow, wide, rtol=0, atol=1e-6)
    assert np.isfinite(narrow).all()
    assert len(np.unique(narrow.round(6))) == len(LENGTHS)


@pytest.mark.parametrize("network", TEXT_NETWORKS)
def test_the_words_count_and_what_is_beyond_max_tokens_does_not(network: str) -> None:
    model: Any = build_model_of(params(network, max_tokens=3), FEATURES)
    given, later, first = inputs(12), inputs(12), inputs(12)
    later["text_tokens"][4, 3:] = 7
    first["text_tokens"][4, :3] = 7
    before, same, other = (np.asarray(model(item))[4, 0] for item in (given, later, first))
    assert before == pytest.approx(same, abs=1e-6)
    assert abs(before - other) > 1e-5


@pytest.mark.parametrize("network", TEXT_NETWORKS)
def test_a_saved_network_is_plain_and_predicts_the_same(network: str, tmp_path: Path) -> None:
    model: Any = build_model_of(params(network), FEATURES)
    path = tmp_path / "model.keras"
    save_model(model, path)
    check_model_file(path)
    given = inputs(12)
    lists = {name: given[name] for name in ("text_tokens", "text_tokens_length")}
    label = np.zeros(len(LENGTHS), np.int32)
    arrays = Arrays(given["numeric"], given["categorical"], label, lists)
    found = np.asarray(open_predictor(str(path), file_digest(path))(arrays)).reshape(-1)
    logit = np.asarray(model(given))[:, 0]
    np.testing.assert_allclose(found, 1 / (1 + np.exp(-logit)), rtol=0, atol=1e-6)


@pytest.mark.parametrize("network", TEXT_NETWORKS)
def test_it_is_built_first_in_a_process_with_as_many_hidden_layers_as_by_default(
    network: str,
) -> None:
    # Keras counts the names of a process, and two layers of one name are an error
    keras.utils.clear_session()
    twice = replace(FEATURES, tokens=(TOKENS, replace(TOKENS, name="other_tokens")))
    model: Any = build_model_of(replace(params(network), hidden=(5, 4)), twice)
    assert model.output_shape == (None, 1)


def test_networks_for_other_features_are_refused() -> None:
    with pytest.raises(ParameterError, match="--network bag reads texts; the features state names"):
        build_model_of(params("bag"), TABLE)
    dense = TrainParams("d", "f", "s", network="dense")
    with pytest.raises(ParameterError, match=r"--network dense reads numbers .*text_tokens"):
        build_model_of(dense, FEATURES)
    with pytest.raises(ParameterError, match="expected --network to be one of dense, bag"):
        TrainParams("d", "f", "s", network="bags")
    with pytest.raises(ParameterError, match="--units counts only with --network text-cnn"):
        TrainParams("d", "f", "s", network="bag", units=3)
    assert (suited_network(TABLE), suited_network(FEATURES)) == ("dense", "text-cnn")
