"""Recurrent networks, and of each unit its maximum over the text.

The maximum in place of the last state: Conneau et al. 2017, "Supervised Learning of Universal
Sentence Representations" (arXiv 1705.02364), 3.2.
"""

from typing import Any

import keras

from pipelines.training.networks.sequence import Sequence


def read_lstm(sequence: Sequence, units: int) -> list[Any]:
    """Give (rows, units): an LSTM (Hochreiter and Schmidhuber 1997) read from left to right."""
    states = keras.layers.LSTM(units, return_sequences=True)(sequence.values, mask=sequence.mask)
    return [Sequence(states, sequence.mask).maximum()]


def read_bigru(sequence: Sequence, units: int) -> list[Any]:
    """Give (rows, 2 * units): GRUs (Cho et al. 2014) read in both directions."""
    gru = keras.layers.GRU(units, return_sequences=True)
    states = keras.layers.Bidirectional(gru)(sequence.values, mask=sequence.mask)
    return [Sequence(states, sequence.mask).maximum()]
