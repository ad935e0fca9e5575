import numpy as np
import pytest
from sklearn import metrics as reference

from pipelines.evaluation import metrics

LABEL = np.array([0, 0, 1, 1, 0, 1], np.int32)
SCORE = np.array([0.1, 0.4, 0.35, 0.8, 0.4, 0.4], np.float64)


def _large() -> tuple[metrics.IntArray, metrics.FloatArray]:
    random = np.random.default_rng(1)
    label = random.integers(2, size=4000).astype(np.int32)
    # two digits: many ties
    score = np.round(np.clip(random.normal(0.4 + 0.2 * label, 0.2), 0, 1), 2)
    return label, score


def test_roc_auc_counts_a_tie_as_half() -> None:
    # pairs won by positives: .35 beats .1; .8 beats all 3; .4 beats .1 and ties twice: 6 of 9
    assert metrics.roc_auc(LABEL, SCORE) == pytest.approx(6 / 9)


@pytest.mark.parametrize(("label", "expected"), [([0, 1], 1.0), ([1, 0], 0.0)])
def test_roc_auc_of_two_rows_is_their_order(label: list[int], expected: float) -> None:
    assert metrics.roc_auc(np.array(label), np.array([0.2, 0.7])) == expected


def test_average_precision_by_hand() -> None:
    # thresholds .8 (P 1, R 1/3), .4 (P 2/4, R 2/3), .35 (P 3/5, R 1), .1 (recall no more)
    assert metrics.average_precision(LABEL, SCORE) == pytest.approx((1 + 2 / 4 + 3 / 5) / 3)


def test_log_loss_and_brier_by_hand() -> None:
    label, score = np.array([1, 0]), np.array([0.8, 0.4])
    assert metrics.log_loss(label, score) == pytest.approx(-(np.log(0.8) + np.log(0.6)) / 2)
    assert metrics.brier(label, score) == pytest.approx((0.2**2 + 0.4**2) / 2)


def test_a_certain_and_wrong_score_costs_a_finite_loss() -> None:
    assert metrics.log_loss(np.array([1]), np.array([0.0])) == pytest.approx(-np.log(1e-7))


def test_calibration_error_by_hand() -> None:
    # bins [0, .5): scores .1 and .3, one positive; [.5, 1]: scores .9 and 1, both positive
    bins = metrics.calibration_bins(np.array([0, 1, 1, 1]), np.array([0.1, 0.3, 0.9, 1.0]), 2)
    assert bins.score == pytest.approx((0.2, 0.95))
    assert bins.positive_share == (0.5, 1.0)
    assert bins.rows == (2, 2)
    assert metrics.expected_calibration_error(bins) == pytest.approx(0.5 * 0.3 + 0.5 * 0.05)


def test_a_score_at_the_threshold_is_called_positive() -> None:
    assert metrics.confusion(LABEL, SCORE, 0.4) == metrics.Confusion(1, 2, 1, 2)


def test_decision_figures_by_hand() -> None:
    found = metrics.decision_figures(metrics.Confusion(1, 2, 1, 2))
    assert found == {"accuracy": 3 / 6, "precision": 2 / 4, "recall": 2 / 3, "f1": 4 / 7}


def test_no_call_at_all_has_precision_zero_and_no_error() -> None:
    assert metrics.decision_figures(metrics.Confusion(3, 0, 2, 0))["precision"] == 0.0


def test_the_threshold_with_the_best_f1_wins() -> None:
    label, score = np.array([0, 1, 0, 1, 1]), np.array([0.1, 0.3, 0.5, 0.6, 0.9])
    # F1 by threshold: .9 2/4, .6 4/5, .5 4/6, .3 6/7, .1 6/8
    assert metrics.best_f1_threshold(label, score) == 0.3


def test_figures_agree_with_scikit_learn_on_tied_scores() -> None:
    label, score = _large()
    found = metrics.ranking_figures(label, score)
    assert found["roc_auc"] == pytest.approx(reference.roc_auc_score(label, score))
    assert found["pr_auc"] == pytest.approx(reference.average_precision_score(label, score))
    assert found["brier"] == pytest.approx(reference.brier_score_loss(label, score))
    clipped = np.clip(score, metrics.EPSILON, 1 - metrics.EPSILON)
    assert found["log_loss"] == pytest.approx(reference.log_loss(label, clipped))
    threshold = metrics.best_f1_threshold(label, score)
    called = score >= threshold
    best = max(reference.f1_score(label, score >= each) for each in np.unique(score))
    assert reference.f1_score(label, called) == pytest.approx(best)


def test_the_interval_is_that_of_resampled_rows() -> None:
    label, score = _large()
    label, score = label[:300], score[:300]
    random, areas = np.random.default_rng(4), []
    for _ in range(200):
        drawn = random.integers(300, size=300)
        areas.append(reference.roc_auc_score(label[drawn], score[drawn]))
    low, high = metrics.roc_auc_interval(label, score, seed=4, num_resamples=200)
    # the same draws in another order of rows: equal in law, not draw by draw
    assert (low, high) == pytest.approx(tuple(np.percentile(areas, [2.5, 97.5])), abs=0.015)
    assert low < metrics.roc_auc(label, score) < high


def test_the_interval_depends_on_the_seed_only() -> None:
    label, score = _large()
    first = metrics.roc_auc_interval(label, score, 1, 20)
    assert metrics.roc_auc_interval(label, score, 1, 20) == first
    assert metrics.roc_auc_interval(label, score, 2, 20) != first


def test_the_interval_counts_ties_as_half() -> None:
    label, score = _large()
    assert metrics.roc_auc_interval(label, np.full(score.size, 0.3), 1, 5) == (0.5, 0.5)
