"""What is taken of a trained network: layers that mean the same, words by what they are."""

from typing import Any

import keras
import numpy as np
import pytest

from pipelines.errors import ParameterError
from pipelines.training.layer_graph import named_layers
from pipelines.training.meanings import Meaning
from pipelines.training.models import build_model_of
from pipelines.training.parameters import TrainParams
from pipelines.training.transfer import Taken, freeze, take_weights, thaw
from schemas.encode import FeatureColumn, FeatureSet
from schemas.target import Target

CLASSES = Target("classes", classes=("cat", "dog", "hen"))


def _text(words: list[str], column: str = "review", target: Any = None) -> Meaning:
    size = len(words) + 2
    tokens = (FeatureColumn(column, "tokens", size, 6),)
    features = FeatureSet((), (), (), "label", *([target] if target else []), tokens=tokens)
    return Meaning.of(features, {"encode": {"tokens": {column: words}}})


def _table(numeric: tuple[str, ...], shops: list[str], column: str = "shop") -> Meaning:
    features = FeatureSet(numeric, (f"{column}_code",), (len(shops) + 1,), "label")
    return Meaning.of(features, {"encode": {"vocabularies": {column: shops}}})


def _coded(column: str, codes: int, encode: dict[str, Any]) -> Meaning:
    """A table of one number and one column of codes, and what a state says of them."""
    features = FeatureSet(("x",), (column,), (codes,), "label")
    return Meaning.of(features, {"encode": encode})


def _network(meaning: Meaning, seed: int, **said: Any) -> keras.Model:
    sizes: dict[str, Any] = {"hidden": (5,)}
    sizes |= {"embedding_dim": 4} if meaning.features.tokens else {}
    params = TrainParams("none", "none@v0", "none", seed=seed, **(sizes | said))
    return build_model_of(params, meaning.features)


def _answer(model: keras.Model, meaning: Meaning, text: list[str]) -> Any:
    column = meaning.features.tokens[0].name
    words = [*meaning.words[column]]
    codes = [words.index(word) if word in words else 1 for word in text]
    inputs = {
        "numeric": np.zeros((1, 0), np.float32),
        "categorical": np.zeros((1, 0), np.int32),
        column: np.array([codes], np.int32),
        f"{column}_length": np.array([len(codes)], np.int32),
    }
    return np.asarray(model(inputs, training=False))[0, 0]


@pytest.mark.parametrize("network", ["bag", "text-cnn"])
def test_before_the_first_step_it_answers_as_the_network_it_starts_from(network: str) -> None:
    there, here = _text(["the", "film", "was", "good"]), _text(["good", "plot", "the"], "sentence")
    source = _network(there, 1, network=network)
    model = _network(here, 2, network=network)
    taken = take_weights(model, here, source, there)
    assert taken.by_word == {"embed_sentence": (2, 3)}
    assert not taken.anew
    text = ["the", "plot", "was", "good"]
    # "plot" is unknown there; "was" is unknown here, so it is asked as an unknown word there too
    told = ["the", "?", "?", "good"]
    assert _answer(model, here, text) == pytest.approx(_answer(source, there, told), abs=1e-6)
    assert _answer(source, there, told) != _answer(source, there, text)


def test_columns_of_codes_are_found_by_name_and_numbers_must_be_the_same() -> None:
    there, here = _table(("x", "y"), ["a", "b"]), _table(("x", "y"), ["b", "c"])
    source, model = _network(there, 1), _network(here, 2)
    taken = take_weights(model, here, source, there)
    rows, theirs = (named_layers(m)["embed_0"].get_weights()[0] for m in (model, source))
    assert rows.tolist() == theirs[[0, 2, 0]].tolist()
    assert taken.by_word == {"embed_0": (1, 2)}
    assert taken.whole == ["dense_0", "logit"]
    other = _table(("x", "height"), ["a", "b"])
    taken = take_weights(_network(other, 2), other, source, there)
    assert taken.anew == {"dense_0": "it reads other columns"}
    assert taken.whole == ["embed_0", "logit"]
    town = _table(("x", "y"), ["a", "b"], "town")
    taken = take_weights(_network(town, 2), town, source, there)
    assert {*taken.anew} == {"dense_0", "embed_0"}


def test_buckets_are_taken_where_all_bounds_are_the_same() -> None:
    there, other = (
        _coded("age_bucket", 4, {"boundaries": {"age": bounds}})
        for bounds in ([1, 2, 3], [2, 3, 4])
    )
    source = _network(there, 1)
    same = take_weights(_network(there, 2), there, source, there)
    assert same.whole == ["embed_0", "dense_0", "logit"]
    # the bucket up to 3 is not the third of another three
    taken = take_weights(_network(other, 2), other, source, there)
    assert taken.whole == ["dense_0", "logit"]
    assert taken.anew == {"embed_0": "what its codes meant there is not known"}


def test_hashes_of_a_column_mean_the_same_where_there_are_as_many() -> None:
    there, other = _coded("tail_hash", 8, {}), _coded("tail_hash", 9, {})
    source = _network(there, 1)
    same = take_weights(_network(there, 2), there, source, there)
    assert same.whole == ["embed_0", "dense_0", "logit"]
    taken = take_weights(_network(other, 2), other, source, there)
    assert {*taken.anew} == {"embed_0"}


def test_of_a_network_nobody_knows_the_words_of_no_embedding_is_taken() -> None:
    here = _text(["good", "bad"])
    model, source = (_network(here, seed, network="bag") for seed in (1, 2))
    first = named_layers(model)["embed_review"].get_weights()[0]
    taken = take_weights(model, here, source, None)
    assert taken.anew == {"embed_review": "what its codes meant there is not known"}
    assert named_layers(model)["embed_review"].get_weights()[0].tolist() == first.tolist()


def test_the_answer_s_layer_is_taken_where_its_classes_are_the_same() -> None:
    there = _text(["good"], target=CLASSES)
    source = _network(there, 1, network="bag")
    same = take_weights(_network(there, 2, network="bag"), there, source, there)
    assert "logits" in same.whole
    for classes in (("pig", "dog", "hen"), ("dog", "cat", "hen")):
        others = _text(["good"], target=Target("classes", classes=classes))
        taken = take_weights(_network(others, 2, network="bag"), others, source, there)
        assert taken.anew == {"logits": "the classes are others"}


def test_a_network_of_which_no_layer_fits_is_refused() -> None:
    there, here = _text(["good"]), _text(["good"], target=CLASSES)
    source = _network(there, 1, network="bag", embedding_dim=3, hidden=(6,))
    with pytest.raises(ParameterError, match=r"none does: .* 4, there 3\); dense_0 begins"):
        take_weights(_network(here, 2, network="bag"), here, source, there)


@pytest.mark.parametrize(
    ("patterns", "message"),
    [
        (["lstm*"], r"--freeze lstm\*: expected the name of a layer.* there are embed_review, de"),
        (["dense*"], "these begin anew and would stay as they were drawn: dense_0"),
        (["embed*", "log*"], "expected a layer that is left to train"),
    ],
)
def test_what_can_not_be_frozen_is_said(patterns: list[str], message: str) -> None:
    model = _network(_text(["good"]), 1, network="bag")
    taken = Taken(anew={"dense_0": "there is no such layer"})
    if "log*" in patterns:
        named_layers(model)["dense_0"].trainable = False
    with pytest.raises(ParameterError, match=message):
        freeze(model, patterns, taken)


def test_a_frozen_normalisation_infers_and_thaws() -> None:
    model = _network(_table(("x", "y"), ["a"]), 1, batch_norm=True)
    held = freeze(model, ["norm*", "dense*"], Taken())
    assert held == ["norm_0", "dense_0"]
    rows = {
        "numeric": np.random.default_rng(1).normal(5, 3, (8, 2)),
        "categorical": np.ones((8, 1)),
    }
    before = [weights.copy() for weights in model.get_weights()]
    model(rows, training=True)
    assert all(np.array_equal(a, b) for a, b in zip(before, model.get_weights(), strict=True))
    assert len(model.trainable_variables) == 3
    thaw(model)
    model(rows, training=True)
    assert not all(np.array_equal(a, b) for a, b in zip(before, model.get_weights(), strict=True))
