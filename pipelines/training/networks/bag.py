"""A bag of embeddings: the mean of a text's words, whatever their order.

Joulin et al. 2016, "Bag of Tricks for Efficient Text Classification" (arXiv 1607.01759), without
n-grams.
"""

from typing import Any

from pipelines.training.networks.sequence import Sequence


def read_bag(sequence: Sequence, units: int) -> list[Any]:
    """Give the mean, (rows, width of the embeddings); ``units`` count for nothing."""
    del units
    return [sequence.mean()]
