from typing import Any

import numpy as np
import pytest

from pipelines.explanation.integrated_gradients import integrated_gradients
from pipelines.explanation.network_parts import cut_behind, randomised
from pipelines.explanation.sanity import mean_rank_correlation
from tests.pipelines.explanation.networks import (
    PHOTOS,
    WORD,
    learned_photos,
    learned_texts,
    photos,
    text_network,
    texts,
)

_EMBED, _STANDARD = "embed_text_tokens", "standard_photo"


def _zeros(rows: int) -> Any:
    return np.zeros(rows, np.int64)


def test_of_a_linear_network_each_word_gets_its_own_part_of_the_logit() -> None:
    model, rows = text_network("bag"), texts(5, 2)
    found = integrated_gradients(cut_behind(model, _EMBED), rows, _zeros(5), 1)
    embedding = model.get_layer(_EMBED).get_weights()[0]
    kernel, bias = model.get_layer("logit").get_weights()
    codes, lengths = rows.others["text_tokens"], rows.others["text_tokens_length"]
    expected = (embedding @ kernel)[codes, 0] / lengths[:, None] * (codes > 0)
    assert found.values.sum(axis=-1) == pytest.approx(expected[:, : lengths.max()], abs=1e-6)
    assert found.base == pytest.approx(np.full(5, bias[0]))


@pytest.mark.parametrize("network", ["text-cnn", "bigru", "transformer"])
def test_words_sum_to_the_difference_and_padding_gets_nothing(network: str) -> None:
    model = text_network(network, hidden=(6,), activation="relu")
    rows = texts(4, 3)
    rows.others["text_tokens"][2] = 0
    rows.others["text_tokens_length"][2] = 0
    found = integrated_gradients(cut_behind(model, _EMBED), rows, _zeros(4), 128)
    whole = np.abs(found.said - found.base).mean()
    assert np.abs(found.gap).max() < 0.05 * max(whole, 0.05)
    words = np.abs(found.values).sum(axis=-1)
    is_padding = rows.others["text_tokens"][:, : words.shape[1]] == 0
    assert not words[is_padding].any()
    # a maximum over a text passes some words over
    assert np.mean(words[~is_padding] > 0) > 0.5
    assert found.said[2] == found.base[2]


def test_more_steps_miss_less() -> None:
    cut, rows = cut_behind(learned_photos(), _STANDARD), photos(6, 4)
    few, many = (
        np.abs(integrated_gradients(cut, rows, _zeros(6), steps).gap).mean() for steps in (1, 64)
    )
    assert many < 0.2 * few


def test_pixels_sum_to_the_difference_of_the_class_that_is_asked_for() -> None:
    rows, cut = photos(4, 5), cut_behind(learned_photos(), _STANDARD)
    one = integrated_gradients(cut, rows, np.array([0, 1, 0, 1]), 100)
    other = integrated_gradients(cut, rows, np.array([1, 0, 1, 0]), 100)
    both = np.asarray(cut.tail([cut.head(cut.inputs(rows)), *cut.inputs(rows)]))
    assert one.said == pytest.approx(both[np.arange(4), [0, 1, 0, 1]], abs=1e-4)
    assert other.said == pytest.approx(both[np.arange(4), [1, 0, 1, 0]], abs=1e-4)
    assert np.abs(one.gap).max() < 0.05 * np.abs(one.said - one.base).mean()


def test_the_planted_word_comes_out_on_top_and_without_its_weights_does_not() -> None:
    rows = texts(60, 6)
    rows = rows.take(rows.label == 1)
    model = learned_texts()
    blind = randomised(model, 1)
    hits: list[float] = []
    maps: list[Any] = []
    for network in (model, blind):
        found = integrated_gradients(cut_behind(network, _EMBED), rows, _zeros(len(rows)), 16)
        words = found.values.sum(axis=-1)
        codes = rows.others["text_tokens"]
        top = codes[np.arange(len(rows)), words.argmax(axis=1)]
        hits.append(float(np.mean(top == WORD)))
        maps.append(words)
    assert hits[0] == 1
    assert hits[1] < 0.5
    assert abs(mean_rank_correlation(*maps) or 0) < 0.5


def test_the_planted_patch_holds_most_and_without_the_weights_its_share_of_the_image() -> None:
    rows = photos(30, 7)
    rows = rows.take(rows.label == 1)
    patch = np.zeros(PHOTOS.images[0].shape[:2], bool)
    patch[:4, :4] = True
    shares: list[float] = []
    for network in (learned_photos(), randomised(learned_photos(), 2)):
        cut = cut_behind(network, _STANDARD)
        found = integrated_gradients(cut, rows, np.ones(len(rows), np.int64), 32)
        size = np.abs(found.values).sum(axis=-1)
        # the patch is brighter, so give each pixel by what it differs from the baseline
        bright = np.abs(rows.others["photo"][..., 0] - 100.0)
        share = (size * patch).sum() / size.sum()
        usual = (bright * patch).sum() / bright.sum()
        shares.append(float(share / usual))
    assert shares[0] > 1.3
    assert shares[1] < shares[0] - 0.2
