"""Texts for models that know no order: how often each token occurs in a row."""

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import sparse
from sklearn.feature_extraction.text import TfidfTransformer

from pipelines.evaluation.arrays import Arrays
from schemas.encode import FIRST_TOKEN, FeatureColumn, FeatureSet


def count_tokens(codes: npt.NDArray[np.int32], size: int) -> Any:
    """Give a sparse (rows, ``size``) float32 matrix of how often each code occurs.

    Padding and what is out of vocabulary are not counted.
    """
    rows, places = np.nonzero(codes >= FIRST_TOKEN)
    ones = np.ones(len(rows), np.float32)
    # of a pair that comes twice, the ones are added up
    return sparse.csr_matrix((ones, (rows, codes[rows, places])), shape=(len(codes), size))


def fit_tf_idf(train: Arrays, features: FeatureSet) -> list[Callable[[Arrays], Any]]:
    """Give, for each list of tokens, a function to its (rows, size) weights, learned on ``train``.

    1 + log of the count, times the logarithm of the inverse share of rows, each row's length 1
    (scikit-learn ``TfidfTransformer``, sublinear).
    """
    return [_fit_one(train, column) for column in features.tokens]


def frequent_counts(arrays: Arrays, features: FeatureSet, most: int) -> npt.NDArray[np.float32]:
    """Give counts of the ``most`` most frequent tokens of each list, side by side, dense."""
    counts = [
        count_tokens(arrays.others[column.name], column.size)[:, FIRST_TOKEN : FIRST_TOKEN + most]
        for column in features.tokens
    ]
    return np.concatenate(
        [np.empty((len(arrays), 0), np.float32), *[part.toarray() for part in counts]], axis=1
    )


def _fit_one(train: Arrays, column: FeatureColumn) -> Callable[[Arrays], Any]:
    weigh = TfidfTransformer(sublinear_tf=True)
    weigh.fit(count_tokens(train.others[column.name], column.size))
    return lambda arrays: weigh.transform(count_tokens(arrays.others[column.name], column.size))
