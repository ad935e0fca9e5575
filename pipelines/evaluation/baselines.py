"""The bars a network has to pass: trained on the same features and the same training rows."""

import warnings
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import sparse
from sklearn.dummy import DummyClassifier, DummyRegressor
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression, Ridge

from pipelines.evaluation.arrays import Arrays
from pipelines.evaluation.bags import fit_tf_idf, frequent_counts
from pipelines.evaluation.predict import Predictor
from schemas.encode import FeatureSet

MAJORITY = "majority_class"
LOGISTIC = "logistic_regression"
TREES = "gradient_boosted_trees"
MEAN, MEDIAN = "mean", "median"
RIDGE = "ridge_regression"
NAIVE = "naive_forecast"
# HistGradientBoosting keeps one of its 256 bins for missing values
_MAX_CODES = 255
# trees take no sparse matrix
_MAX_TOKENS = 300


def fit_baselines(train: Arrays, features: FeatureSet, seed: int) -> dict[str, Predictor]:
    """Fit every baseline of the label's kind on ``train``; names are constants of this module."""
    is_number = features.target.kind == "number"
    # side by side: each of the two slow ones keeps to one thread
    with ThreadPoolExecutor() as pool, warnings.catch_warnings():
        # 200 steps of L-BFGS change the area's fourth digit no more, whatever the gradient says
        warnings.simplefilter("ignore", ConvergenceWarning)
        trees = pool.submit(fit_trees, train, features, seed)
        if is_number:
            simple = {name: fit_constant(train, name) for name in (MEAN, MEDIAN)}
            return {**simple, RIDGE: fit_ridge(train, features), TREES: trees.result()}
        logistic = fit_logistic(train, features)
        return {
            MAJORITY: fit_majority(train, features),
            LOGISTIC: logistic,
            TREES: trees.result(),
        }


def fit_majority(train: Arrays, features: FeatureSet) -> Predictor:
    """Give every row the shares of the classes in ``train`` (``DummyClassifier``)."""
    model = DummyClassifier(strategy="prior").fit(train.numeric, train.label)
    return _probabilities(model, features, lambda arrays: arrays.numeric)


def fit_constant(train: Arrays, strategy: str) -> Predictor:
    """Give every row the ``mean`` or the ``median`` label of ``train`` (``DummyRegressor``)."""
    model = DummyRegressor(strategy=strategy).fit(train.numeric, train.label.astype(np.float64))
    return lambda arrays: np.asarray(model.predict(arrays.numeric), np.float64)


def naive_forecast(place: int, shift: float, width: float) -> Predictor:
    """Give every row one of its numbers, as it was before it was scaled.

    Args:
        place: Of the numeric feature.
        shift: By which it was scaled: (x - shift) / width.
        width: See there.
    """
    return lambda arrays: arrays.numeric[:, place].astype(np.float64) * width + shift


def fit_logistic(train: Arrays, features: FeatureSet) -> Predictor:
    """Fit an L2-regularised logistic regression, C = 1, by L-BFGS; multinomial for classes."""
    encode = linear_inputs(train, features)
    model = LogisticRegression(C=1.0, max_iter=200)
    model.fit(encode(train), train.label)
    return _probabilities(model, features, encode)


def fit_ridge(train: Arrays, features: FeatureSet) -> Predictor:
    """Fit a linear regression with an L2 penalty, alpha = 1."""
    encode = linear_inputs(train, features)
    model = Ridge(alpha=1.0).fit(encode(train), train.label.astype(np.float64))
    return lambda arrays: model.predict(encode(arrays)).astype(np.float64)


def linear_inputs(train: Arrays, features: FeatureSet) -> Callable[[Arrays], Any]:
    """Give a function from rows to the sparse inputs of a linear model.

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

    return encode


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
    if features.target.kind == "number":
        regressor = HistGradientBoostingRegressor(categorical_features=mask, random_state=seed)
        regressor.fit(matrix, train.label.astype(np.float64))
        return lambda arrays: regressor.predict(side_by_side(arrays)).astype(np.float64)
    model = HistGradientBoostingClassifier(categorical_features=mask, random_state=seed)
    model.fit(matrix, train.label)
    return _probabilities(model, features, side_by_side)


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


def _probabilities(model: Any, features: FeatureSet, encode: Callable[[Arrays], Any]) -> Predictor:
    """Give the probability of label 1, (rows,); of classes those of all that are declared."""
    if features.target.kind == "binary":
        return lambda arrays: model.predict_proba(encode(arrays))[:, 1].astype(np.float64)

    def predict(arrays: Arrays) -> npt.NDArray[np.float64]:
        # a class that the training rows do not have is never expected
        found = np.zeros((len(arrays), features.target.width))
        found[:, model.classes_] = model.predict_proba(encode(arrays))
        return found

    return predict
