"""Fit how an ensemble joins what its members give: their mean, a weighted mean, or a model of them.

What is fitted is fitted on the validation split, so the ensemble's figures on those same rows would
flatter it. ``cross_fitted`` gives what it says of each row by a fit on the others; these figures
stand beside those of models that learned nothing from the validation split.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

import numpy as np
import numpy.typing as npt
from scipy.optimize import minimize
from scipy.special import expit, log_expit, log_softmax, softmax
from sklearn.linear_model import LogisticRegression, Ridge

from pipelines.errors import TrainingError
from schemas.target import Target

Method: TypeAlias = Literal["average", "weighted", "stacking"]
METHODS: tuple[Method, ...] = ("average", "weighted", "stacking")
NUM_FOLDS = 5
Floats: TypeAlias = npt.NDArray[np.float64]
# of a class that no row to fit on has: what the least likely of the others gets, less this
_NEVER = 20.0
_NO_SHARE = 1e-6


@dataclass(frozen=True, slots=True)
class Mean:
    """The mean of the members' probabilities or numbers; ``weights`` (members,) sum to 1."""

    weights: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Stack:
    """A linear model of what the members give: ``inputs_of(given) @ kernel + bias``.

    ``kernel`` is (members * width, width), ``bias`` (width,). Binary: a logit of the members'
    logits. Classes: logits of their log probabilities. A number: standardised, of theirs.
    """

    kernel: Floats
    bias: Floats


Combination: TypeAlias = Mean | Stack


def fit_combination(given: Floats, label: Any, target: Target, method: Method) -> Combination:
    """Fit a combination.

    ``weighted`` minimises the log loss of the mean probability, or the squared error of the mean
    number, over weights that are at least 0 and sum to 1: a convex problem, solved by SLSQP.
    ``stacking`` (Wolpert 1992, "Stacked generalization") is a logistic regression with an L2
    penalty, C = 1, or a ridge regression, alpha = 1, as the baselines are.

    Args:
        given: What each member gives, before any sigmoid or softmax, (rows, members, width).
        label: (rows,).
        target: What it is.
        method: One of ``METHODS``; ``average`` looks at no row.

    Raises:
        TrainingError: All rows have one class.
    """
    members = given.shape[1]
    if method == "average":
        return Mean((1 / members,) * members)
    if target.kind != "number" and np.min(label) == np.max(label):
        raise TrainingError(
            f"--method {method}: expected rows of two classes or more to fit on; got "
            f"{len(label)} rows of one. Widen the validation split, or take --method average"
        )
    if method == "weighted":
        return Mean(tuple(_fit_weights(given, label, target)))
    return _fit_stack(given, label, target)


def combine(given: Floats, combination: Combination, target: Target) -> Floats:
    """Give what the ensemble says: probabilities, (rows,) or (rows, K), or numbers, (rows,).

    ``join_members`` makes a network of the same arithmetic.
    """
    if isinstance(combination, Stack):
        said = inputs_of(given, target) @ combination.kernel + combination.bias
        if target.kind == "number":
            return said[:, 0] * target.deviation + target.mean
        return expit(said[:, 0]) if target.kind == "binary" else softmax(said, axis=1)
    weights = np.array(combination.weights)
    if target.kind == "number":
        return given[:, :, 0] @ weights
    mean = np.einsum("rmk,m->rk", np.exp(log_probabilities(given, target)), weights)
    return mean[:, 1] if target.kind == "binary" else mean


def cross_fitted(given: Floats, label: Any, target: Target, method: Method, seed: int) -> Floats:
    """Give what an ensemble says of each row that was fitted on the other folds of these rows.

    Folds are drawn with ``seed``, of even size, ``NUM_FOLDS`` of them (2 where there are few rows).

    Raises:
        TrainingError: The rows that are left to fit on have one class.
    """
    if method == "average":
        return combine(given, fit_combination(given, label, target, method), target)
    folds = min(NUM_FOLDS, max(2, len(label) // 2))
    place = np.random.default_rng(seed).permutation(len(label)) % folds
    parts: dict[int, Floats] = {}
    for fold in range(folds):
        kept, held = place != fold, place == fold
        found = fit_combination(given[kept], label[kept], target, method)
        parts[fold] = combine(given[held], found, target)
    said = np.empty((len(label), *parts[0].shape[1:]))
    for fold, part in parts.items():
        said[place == fold] = part
    return said


def log_probabilities(given: Floats, target: Target) -> Floats:
    """Give (rows, members, classes), of a label of 0 or 1 two, from logits."""
    if target.kind == "binary":
        return np.concatenate([log_expit(-given), log_expit(given)], axis=2)
    return log_softmax(given, axis=2)


def inputs_of(given: Floats, target: Target) -> Floats:
    """Give what a ``Stack`` takes, (rows, members * width), member by member."""
    if target.kind == "classes":
        given = log_softmax(given, axis=2)
    elif target.kind == "number":
        given = (given - target.mean) / target.deviation
    return given.reshape(len(given), -1)


def _fit_weights(given: Floats, label: Any, target: Target) -> Floats:
    loss = _squared_error if target.kind == "number" else _log_loss
    lost = loss(given, label, target)
    members = given.shape[1]
    even = np.full(members, 1 / members)
    found: Any = minimize(
        lost,
        even,
        jac=True,
        method="SLSQP",
        bounds=[(0.0, 1.0)] * members,
        constraints={
            "type": "eq",
            "fun": lambda w: np.sum(w) - 1,
            "jac": np.ones_like,
        },
        options={"maxiter": 500, "ftol": 1e-12},
    )
    # a share that rounding left costs a whole member when the model is applied
    weights = np.where(found.x < _NO_SHARE, 0.0, found.x)
    weights = weights / weights.sum() if np.all(np.isfinite(weights)) and weights.any() else even
    return weights if lost(weights)[0] <= lost(even)[0] else even


_Loss: TypeAlias = Callable[[Floats], tuple[float, Floats]]


def _log_loss(given: Floats, label: Any, target: Target) -> _Loss:
    """Give a function from weights to the log loss of the mean probability, and its gradient."""
    logs = log_probabilities(given, target)
    own = logs[np.arange(len(label)), :, np.asarray(label, np.int64)]
    # relative to the best member's, so that none of a row underflows to all zeros
    best = own.max(axis=1, keepdims=True)
    shares, offset = np.exp(own - best), float(best.mean())

    def lost(weights: Floats) -> tuple[float, Floats]:
        mixed = np.maximum(shares @ weights, np.finfo(np.float64).tiny)
        return -float(np.log(mixed).mean()) - offset, -(shares / mixed[:, None]).mean(axis=0)

    return lost


def _squared_error(given: Floats, label: Any, target: Target) -> _Loss:
    """Give a function from weights to the squared error in deviations, and its gradient."""
    errors = (given[:, :, 0] - np.asarray(label, np.float64)[:, None]) / target.deviation
    # the weights sum to 1, so the mean's error is the mean of the errors
    products = errors.T @ errors / len(errors)
    return lambda weights: (float(weights @ products @ weights), 2 * products @ weights)


def _fit_stack(given: Floats, label: Any, target: Target) -> Stack:
    inputs = inputs_of(given, target)
    if target.kind == "number":
        wanted = (np.asarray(label, np.float64) - target.mean) / target.deviation
        ridge: Any = Ridge(alpha=1.0).fit(inputs, wanted)
        return Stack(ridge.coef_.reshape(-1, 1), np.array([ridge.intercept_]))
    model: Any = LogisticRegression(C=1.0, max_iter=1000).fit(inputs, label)
    kernel, bias, known = model.coef_.T, model.intercept_, model.classes_
    if target.kind == "binary":
        return Stack(kernel, bias)
    if len(known) == 2:  # noqa: PLR2004  scikit-learn then gives the second class's logit alone
        kernel, bias = np.hstack([0 * kernel, kernel]), np.hstack([0 * bias, bias])
    whole = np.zeros((inputs.shape[1], target.width))
    biases = np.full(target.width, float(bias.min()) - _NEVER)
    whole[:, known], biases[known] = kernel, bias
    return Stack(whole, biases)


def log_loss_of(said: Floats, label: Any) -> float:
    """Give the mean log loss of probabilities, (rows,) or (rows, K); at most 1e-15 from 0 and 1."""
    both = np.stack([1 - said, said], axis=1) if said.ndim == 1 else said
    own = both[np.arange(len(label)), np.asarray(label, np.int64)]
    return -float(np.log(np.clip(own, 1e-15, None)).mean())
