"""Texts as counts and weights, for the models that know no order."""

import numpy as np

from pipelines.evaluation.arrays import Arrays
from pipelines.evaluation.bags import count_tokens, fit_tf_idf, frequent_counts
from pipelines.evaluation.baselines import LOGISTIC, TREES, fit_baselines
from schemas.encode import FeatureColumn, FeatureSet

FEATURES = FeatureSet((), (), (), "label", tokens=(FeatureColumn("t", "tokens", 6, 3),))


def _arrays(codes: list[list[int]], label: list[int]) -> Arrays:
    rows = len(codes)
    lists = {"t": np.array(codes, np.int32), "t_length": np.full(rows, 3, np.int32)}
    empty = (np.empty((rows, 0), np.float32), np.empty((rows, 0), np.int32))
    return Arrays(*empty, np.array(label, np.int32), lists)


def test_tokens_are_counted_but_for_padding_and_the_unknown() -> None:
    counts = count_tokens(np.array([[2, 2, 5], [1, 3, 0], [0, 0, 0]], np.int32), 6)
    assert counts.toarray().tolist() == [[0, 0, 2, 0, 0, 1], [0, 0, 0, 1, 0, 0], [0] * 6]
    arrays = _arrays([[2, 2, 5], [1, 3, 0]], [0, 1])
    assert frequent_counts(arrays, FEATURES, 2).tolist() == [[2, 0], [0, 1]]


def test_weights_are_those_of_the_formula_and_learned_on_the_training_rows() -> None:
    train = _arrays([[2, 2, 3], [2, 0, 0]], [0, 1])
    (weigh,) = fit_tf_idf(train, FEATURES)
    # ln((1 + rows) / (1 + rows with it)) + 1, times 1 + ln(count), to length 1
    plain = np.array([1 * (1 + np.log(2)), np.log(3 / 2) + 1])
    expected = plain / np.linalg.norm(plain)
    found = weigh(_arrays([[3, 2, 2]], [0])).toarray()[0]
    np.testing.assert_allclose(found[2:4], expected, rtol=1e-6)


def test_both_baselines_learn_from_the_words_of_a_text() -> None:
    random = np.random.default_rng(3)
    codes = random.integers(2, 6, (400, 3))
    label = (codes == 4).any(axis=1).astype(int)
    arrays = _arrays(codes.tolist(), label.tolist())
    predictors = fit_baselines(arrays, FEATURES, seed=1)
    for name in (LOGISTIC, TREES):
        found = np.asarray(predictors[name](arrays)) > 0.5
        assert np.mean(found == label) > 0.95
