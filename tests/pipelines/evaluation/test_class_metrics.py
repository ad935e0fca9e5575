"""Figures of classes against scikit-learn's, and their interval."""

import doctest
from typing import Any

import numpy as np
import pytest
from sklearn.metrics import (
    accuracy_score,
    confusion_matrix,
    f1_score,
    log_loss,
    precision_recall_fscore_support,
    top_k_accuracy_score,
)

from pipelines.evaluation import class_metrics
from pipelines.evaluation.class_metrics import (
    class_figures,
    each_class,
    macro_f1,
    macro_f1_interval,
)

_RANDOM = np.random.default_rng(6)
_LABEL = _RANDOM.choice(5, p=[0.6, 0.2, 0.1, 0.07, 0.03], size=2000).astype(np.int32)
_RAW = np.exp(_RANDOM.normal(size=(2000, 5)) + np.eye(5)[_LABEL])
_PROBABILITY = _RAW / _RAW.sum(axis=1, keepdims=True)
_CALLED = _PROBABILITY.argmax(axis=1)
_COUNTS = class_metrics.confusion_matrix(_LABEL, _CALLED, 5)


def test_figures_are_scikit_learns() -> None:
    found = class_figures(_LABEL, _PROBABILITY)
    assert found == {
        "accuracy": pytest.approx(accuracy_score(_LABEL, _CALLED)),
        "macro_f1": pytest.approx(f1_score(_LABEL, _CALLED, average="macro")),
        "weighted_f1": pytest.approx(f1_score(_LABEL, _CALLED, average="weighted")),
        "log_loss": pytest.approx(log_loss(_LABEL, _PROBABILITY)),
        "top_3": pytest.approx(top_k_accuracy_score(_LABEL, _PROBABILITY, k=3)),
    }
    assert _COUNTS.tolist() == confusion_matrix(_LABEL, _CALLED).tolist()
    assert doctest.testmod(class_metrics).failed == 0


def test_precision_and_recall_of_each_class_are_scikit_learns() -> None:
    theirs: Any = precision_recall_fscore_support(_LABEL, _CALLED)
    precision, recall, f1, rows = theirs
    found = each_class(_COUNTS, "abcde")
    assert [item["precision"] for item in found] == pytest.approx(list(precision))
    assert [item["recall"] for item in found] == pytest.approx(list(recall))
    assert [item["f1"] for item in found] == pytest.approx(list(f1))
    assert [item["rows"] for item in found] == list(rows)


def test_of_few_classes_none_is_among_the_first_three() -> None:
    assert "top_3" not in class_figures(np.array([0, 1]), np.array([[0.9, 0.1], [0.8, 0.2]]))


def test_a_sure_mistake_costs_a_finite_log_loss_and_an_absent_class_no_f1() -> None:
    probability = np.array([[1.0, 0.0, 0.0], [1.0, 0.0, 0.0]])
    found = class_figures(np.array([0, 1]), probability)
    assert found["log_loss"] == pytest.approx(-np.log(1e-7) / 2)
    # class 2 is neither labelled nor called: the mean is over two
    assert found["macro_f1"] == pytest.approx((2 / 3 + 0) / 2)


def test_the_interval_is_that_of_drawn_rows_and_repeats_with_its_seed() -> None:
    low, high = macro_f1_interval(_COUNTS, 1, 400)
    assert (low, high) == macro_f1_interval(_COUNTS, 1, 400)
    assert low < macro_f1(_COUNTS) < high
    random = np.random.default_rng(2)
    values = [
        f1_score(_LABEL[rows], _CALLED[rows], average="macro")
        for rows in random.integers(2000, size=(200, 2000))
    ]
    assert np.percentile(values, [2.5, 97.5]) == pytest.approx([low, high], abs=0.01)
