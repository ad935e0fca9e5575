import math
from typing import Any

import numpy as np
import pytest
from scipy import stats
from scipy.spatial.distance import jensenshannon

from pipelines.quality.distance import (
    chi_square,
    chi_square_tail,
    jensen_shannon,
    kolmogorov,
    kolmogorov_smirnov,
    psi,
)

Counts = list[float]
scipy: Any = stats  # SciPy's results are not typed
# pairs of counts by bucket: like, shifted, with buckets empty on one side or both, of unequal size
PAIRS: list[tuple[Counts, Counts]] = [
    ([50, 30, 20], [49, 31, 20]),
    ([400, 300, 200, 100], [10, 20, 30, 40]),
    ([10, 0, 5, 0], [3, 4, 0, 0]),
    ([1, 1], [1000, 1]),
]


@pytest.mark.parametrize(
    ("expected", "observed", "value"),
    [
        # (0.8 - 0.5) ln 1.6 + (0.2 - 0.5) ln 0.4 = 0.3 ln 4
        ([50, 50], [8, 2], 0.3 * math.log(4)),
        ([1, 2, 3], [10, 20, 30], 0.0),
        # an empty bucket counts as one of 0.0001: (0.5 - 0.0001) ln 5000 + (1 - 0.5) ln 2
        ([0, 4], [2, 2], 0.4999 * math.log(5000) + 0.5 * math.log(2)),
        ([0, 7], [0, 3], 0.0),
    ],
)
def test_psi_by_hand(expected: Counts, observed: Counts, value: float) -> None:
    assert psi(expected, observed) == pytest.approx(value, abs=1e-12)
    assert psi(observed, expected) == pytest.approx(value, abs=1e-12)


@pytest.mark.parametrize(
    ("expected", "observed", "value"),
    [
        ([1, 0], [0, 1], 1.0),
        ([2, 2], [5, 5], 0.0),
        # middle (3/4, 1/4): half of log2(4/3), and half of (1/2) log2(2/3) + (1/2) log2 2
        ([1, 0], [1, 1], math.sqrt(math.log2(4 / 3) / 2 + (math.log2(2 / 3) + 1) / 4)),
    ],
)
def test_jensen_shannon_by_hand(expected: Counts, observed: Counts, value: float) -> None:
    assert jensen_shannon(expected, observed) == pytest.approx(value, abs=1e-12)


def test_chi_square_by_hand() -> None:
    # a 2 x 2 table: n (ad - bc)^2 / (products of its margins) = 40 (10 x 5 - 10 x 15)^2 / ...
    found = chi_square([10, 10], [15, 5])
    assert found.statistic == pytest.approx(40 * 100**2 / (20 * 20 * 25 * 15))
    # one degree of freedom: the chance of a normal variable beyond the root
    assert found.p_value == pytest.approx(math.erfc(math.sqrt(found.statistic / 2)))
    # fit to stated shares: (60 - 50)^2 / 50 + (40 - 50)^2 / 50
    assert chi_square([0.5, 0.5], [60, 40], math.inf).statistic == pytest.approx(4.0)
    assert chi_square([1.0, 0.0], [9, 1], math.inf) == (math.inf, 0.0)
    assert chi_square([7, 0], [3, 0]) == (0.0, 1.0)


def test_kolmogorov_smirnov_by_hand() -> None:
    # cumulated 0.5, 0.8, 1 against 0.2, 0.6, 1
    found = kolmogorov_smirnov([5, 3, 2], [20, 40, 40])
    assert found.statistic == pytest.approx(0.3)
    assert kolmogorov_smirnov([20, 40, 40], [5, 3, 2]) == pytest.approx(found)
    # the known upper 5 % point of the limit
    assert kolmogorov(1.3581) == pytest.approx(0.05, abs=1e-5)
    assert kolmogorov_smirnov([4, 4], [9, 9]) == (0.0, 1.0)


@pytest.mark.parametrize(("expected", "observed"), PAIRS)
def test_distances_are_scipys(expected: Counts, observed: Counts) -> None:
    assert jensen_shannon(expected, observed) == pytest.approx(
        float(jensenshannon(expected, observed, base=2))
    )
    filled = [place for place, both in enumerate(zip(expected, observed, strict=True)) if any(both)]
    table = np.array([expected, observed])[:, filled]
    theirs = scipy.chi2_contingency(table, correction=False)
    assert chi_square(expected, observed) == pytest.approx((theirs.statistic, theirs.pvalue))


def test_a_fit_to_stated_shares_is_scipys() -> None:
    theirs = scipy.chisquare([30, 50, 20], [40.0, 40.0, 20.0])
    ours = chi_square([0.4, 0.4, 0.2], [30, 50, 20], math.inf)
    assert ours == pytest.approx((theirs.statistic, theirs.pvalue))


def test_with_an_edge_at_each_value_kolmogorov_smirnov_is_scipys() -> None:
    random = np.random.default_rng(5)
    one, other = random.poisson(9, 400), random.poisson(9.6, 300)
    edges = np.arange(0, 40)
    counts = [np.bincount(sample, minlength=40)[edges].tolist() for sample in (one, other)]
    theirs = scipy.ks_2samp(one, other, method="asymp")
    ours = kolmogorov_smirnov(*counts)
    assert ours.statistic == pytest.approx(theirs.statistic)
    # two approximations of one distribution
    assert ours.p_value == pytest.approx(theirs.pvalue, rel=0.1)


def test_wide_buckets_hide_less_of_a_difference_than_the_largest_holds() -> None:
    random = np.random.default_rng(6)
    one, other = random.normal(0, 1, 4000), random.normal(0.4, 1, 4000)
    exact = scipy.ks_2samp(one, other).statistic
    edges = np.quantile(one, np.arange(1, 20) / 20)
    counts = [np.bincount(np.searchsorted(edges, sample), minlength=20) for sample in (one, other)]
    found = kolmogorov_smirnov(*(part.tolist() for part in counts)).statistic
    assert exact - counts[1].max() / 4000 <= found <= exact


def test_the_tails_are_scipys() -> None:
    for statistic, freedom in ((0.1, 1), (3.8, 1), (700.0, 3), (30.0, 30), (2000.0, 2047)):
        theirs = scipy.chi2.sf(statistic, freedom)
        assert chi_square_tail(statistic, freedom) == pytest.approx(theirs, rel=1e-9)
    for value in (0.2, 0.5, 0.99, 1.0, 1.7, 6.0):
        assert kolmogorov(value) == pytest.approx(stats.kstwobign.sf(value), rel=1e-9)


def test_no_rows_have_no_shares() -> None:
    for measure in (psi, jensen_shannon, chi_square, kolmogorov_smirnov):
        with pytest.raises(ValueError, match="all buckets are empty"):
            measure([0, 0], [1, 2])
