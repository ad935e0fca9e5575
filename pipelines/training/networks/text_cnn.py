"""Convolutions over 3, 4 and 5 words, and of each filter its maximum over the text.

Kim 2014, "Convolutional Neural Networks for Sentence Classification" (arXiv 1408.5882).
"""

from typing import Any

import keras

from pipelines.training.networks.sequence import Sequence

_WIDTHS = (3, 4, 5)


def read_cnn(sequence: Sequence, units: int) -> list[Any]:
    """Give three of (rows, units): the maxima of ``units`` filters of each width."""
    # what a filter sees beyond the last word is 0, whether the batch ends there or not
    words = sequence.values * sequence.column
    found: list[Any] = []
    for width in _WIDTHS:
        convolution = keras.layers.Conv1D(units, width, padding="same", activation="relu")
        found.append(Sequence(convolution(words), sequence.mask).maximum())
    return found
