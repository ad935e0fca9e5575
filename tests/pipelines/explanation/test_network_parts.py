from typing import Any

import keras
import numpy as np
import pytest

from pipelines.errors import ParameterError
from pipelines.explanation.network_parts import cut_behind, randomised
from tests.pipelines.explanation.networks import given, learned_photos, photos, text_network, texts


def test_the_two_parts_give_what_the_whole_gives() -> None:
    model, rows = text_network("text-cnn"), texts(6, 1)
    cut = cut_behind(model, "embed_text_tokens")
    inputs = cut.inputs(rows)
    inside = cut.head(inputs)
    assert inside.shape == (6, 10, 4)
    whole = np.asarray(model(given(rows)))
    assert np.asarray(cut.tail([inside, *inputs])) == pytest.approx(whole, abs=1e-6)
    # the second part reads the first, not the codes
    assert np.abs(np.asarray(cut.tail([0 * inside, *inputs])) - whole).min() > 0


def test_a_network_of_other_layers_is_refused_by_its_layers() -> None:
    numbers = keras.Input((2,), name="numeric")
    model: Any = keras.Model(numbers, keras.layers.Dense(1, name="logit")(numbers))
    with pytest.raises(ParameterError, match=r"one layer embed_text, .*got the layers .*logit"):
        cut_behind(model, "embed_text")


def test_shuffled_weights_are_the_same_numbers_elsewhere_and_the_network_itself_stays() -> None:
    model, rows = learned_photos(), photos(5, 1)
    before = [array.copy() for array in model.get_weights()]
    said = np.asarray(model(given(rows)))
    blind = randomised(model, 1)
    for own, other in zip(before, blind.get_weights(), strict=True):
        assert np.array_equal(np.sort(own, axis=None), np.sort(other, axis=None))
    moved = [not np.array_equal(a, b) for a, b in zip(before, blind.get_weights(), strict=True)]
    assert sum(moved) > len(moved) / 2
    assert all(np.array_equal(a, b) for a, b in zip(before, model.get_weights(), strict=True))
    assert np.array_equal(said, np.asarray(model(given(rows))))
    assert np.abs(np.asarray(blind(given(rows))) - said).min() > 0
