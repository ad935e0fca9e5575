"""Pools over the words of a text: by hand, and where there is none."""

import numpy as np
import pytest

from pipelines.training.networks.sequence import Sequence

VALUES = np.array([[[-1.0, 4.0], [-3.0, 2.0], [9.0, 9.0]]], np.float32)


@pytest.mark.parametrize(
    ("words", "mean", "maximum"),
    [(3, [5 / 3, 5.0], [9.0, 9.0]), (2, [-2.0, 3.0], [-1.0, 4.0]), (0, [0.0, 0.0], [0.0, 0.0])],
)
def test_what_lies_behind_the_words_counts_nowhere(
    words: int, mean: list[float], maximum: list[float]
) -> None:
    sequence = Sequence(VALUES, np.arange(3)[None] < words)
    assert np.asarray(sequence.mean())[0].tolist() == pytest.approx(mean)
    assert np.asarray(sequence.maximum())[0].tolist() == maximum
