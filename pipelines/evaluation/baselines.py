"""The bars a network has to pass: trained on the same features and the same training rows."""

import warnings
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import sparse
from sklearn.dummy import DummyClassifier
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression

from pipelines.evaluation.arrays import Arrays
from pipelines.evaluation.bags import fit_tf_idf, frequent_counts
from pipelines.evaluation.predict import Predictor
from schemas.encode import FeatureSet

MAJORITY = "majority_class"
LOGISTIC = "logistic_regression"
TREES = "gradient_boosted_trees"
# HistGradientBoosting keeps one of its 256 bins for missing values
_MAX_CODES = 255
# trees take no sparse matrix
_MAX_TOKENS = 300


def fit_baselines(train: Arrays, features: FeatureSet, seed: int) -> dict[str, Predictor]:
    """Fit every baseline on ``train``; the names are the constants of this module."""
    # side by side: each of the two slow ones keeps to one thread
    with ThreadPoolExecutor() as pool, warnings.catch_warnings():
        # 200 steps of L-BFGS change the area's fourth digit no more, whatever the gradient says
        warnings.simplefilter("ignore", ConvergenceWarning)
        trees = pool.submit(fit_trees, train, features, seed)
        logistic = fit_logistic(train, features)
        return {
            MAJORITY: fit_majority(train),
            LOGISTIC: logistic,
            TREES: trees.result(),
        }


def fit_majority(train: Arrays) -> Predictor:
    """Give every row the share of positives in ``train`` (scikit-learn ``DummyClassifier``)."""
    model = DummyClassifier(strategy="prior").fit(train.numeric, train.label)
    return lambda arrays: _positive(model.predict_proba(arrays.numeric))


def fit_logistic(train: Arrays, features: FeatureSet) -> Predictor:
    """Fit an L2-regularised logistic regression, C = 1, by L-BFGS.

    Numeric columns are standardised on ``train``; codes become one-hot columns, kept sparse: a
    row stores its numbers and one entry for each code. Lists of tokens become TF-IDF weights.
    """
    weighed = fit_tf_idf(train, features)
    mean, scale = train.numeric.mean(axis=0), train.numeric.std(axis=0)
    scale = np.where(scale > 0, scale, 1).astype(np.float32)

    def encode(arrays: Arrays) -> Any:
        numeric = sparse.csr_matrix((arrays.numeric - mean) / scale)
        codes = one_hot(arrays.categorical, features.sizes)
        texts = [weigh(arrays) for weigh in weighed]
        return sparse.hstack([numeric, codes, *texts], format="csr")

    model = LogisticRegression(C=1.0, max_iter=200)
    model.fit(encode(train), train.label)
    return lambda arrays: _positive(model.predict_proba(encode(arrays)))


def fit_trees(train: Arrays, features: FeatureSet, seed: int) -> Predictor:
    """Fit scikit-learn's histogram gradient boosting with its defaults.

    Codes are categories where the column has at most 255 of them, numbers otherwise. Of lists of
    tokens they take how often each of the 300 most frequent ones occurs.
    """

    def side_by_side(arrays: Arrays) -> npt.NDArray[np.float32]:
        counts = frequent_counts(arrays, features, _MAX_TOKENS)
        codes = arrays.categorical.astype(np.float32)
        return np.concatenate([arrays.numeric, codes, counts], axis=1)

    matrix = side_by_side(train)
    is_category = [False] * len(features.numeric)
    is_category += [size <= _MAX_CODES for size in features.sizes]
    is_category += [False] * (matrix.shape[1] - len(is_category))
    # scikit-learn takes a mask here too; its inferred type says text only
    mask: Any = np.array(is_category, bool)
    model = HistGradientBoostingClassifier(categorical_features=mask, random_state=seed)
    model.fit(matrix, train.label)
    return lambda arrays: _positive(model.predict_proba(side_by_side(arrays)))


def one_hot(codes: npt.NDArray[np.int32], sizes: tuple[int, ...]) -> Any:
    """Give a sparse (rows, sum of ``sizes``) float32 matrix with a one for each code of a row."""
    rows, width = codes.shape
    starts = np.concatenate([[0], np.cumsum(sizes)])[:width].astype(np.int32)
    columns = (codes + starts).reshape(-1)
    bounds = np.arange(0, rows * width + 1, max(width, 1), dtype=np.int32)[: rows + 1]
    if not width:
        bounds = np.zeros(rows + 1, np.int32)
    ones = np.ones(columns.size, np.float32)
    return sparse.csr_matrix((ones, columns, bounds), shape=(rows, int(sum(sizes))))


def _positive(probabilities: Any) -> npt.NDArray[np.float64]:
    return probabilities[:, 1].astype(np.float64)
