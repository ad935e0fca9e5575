"""How far two distributions are apart, from counts by bucket: plain arithmetic.

Both sides are counted in the same buckets, in the same order. Counts of two parts of a table add up
to those of the whole, so each number here can be had from partitions, days or versions. The p-value
of a test says how often chance alone would set two samples of one distribution so far apart; on
millions of rows it is 0 for differences that matter to nobody, so bound a distance beside it.
"""

import math
from collections.abc import Sequence
from itertools import accumulate
from typing import NamedTuple

# a bucket that is empty on one side would make a logarithm infinite
LEAST_SHARE = 1e-4
_MANY_TERMS = 101


class TestResult(NamedTuple):
    """A statistic and how often chance alone would make it as great or greater."""

    statistic: float
    p_value: float


def shares(counts: Sequence[float]) -> list[float]:
    """Give counts as shares of their sum.

    Raises:
        ValueError: They sum to nothing.
    """
    total = math.fsum(counts)
    if not total > 0:
        raise ValueError("expected counts of at least one row; all buckets are empty")
    return [count / total for count in counts]


def psi(expected: Sequence[float], observed: Sequence[float]) -> float:
    """Give the population stability index, sum of (q - p) ln(q / p) over the buckets' shares.

    Siddiqi, "Credit Risk Scorecards", 2006, ch. 10: below 0.1 nothing has changed, from 0.25 on
    much has. A share below 0.0001 counts as 0.0001, so an empty bucket has its say and no more.

    >>> round(psi([50, 50], [80, 20]), 4)
    0.4159
    """
    pairs = zip(shares(expected), shares(observed), strict=True)
    floored = [(max(p, LEAST_SHARE), max(q, LEAST_SHARE)) for p, q in pairs]
    return math.fsum((q - p) * math.log(q / p) for p, q in floored)


def jensen_shannon(expected: Sequence[float], observed: Sequence[float]) -> float:
    """Give the Jensen-Shannon distance to base 2: 0 for equal shares, 1 for none in common.

    The root of half the relative entropies of both to their mean; it is a metric. Endres and
    Schindelin, "A New Metric for Probability Distributions", IEEE Trans. Inf. Theory 49, 2003.

    >>> jensen_shannon([1, 0], [0, 7])
    1.0
    """
    divergence = 0.0
    for p, q in zip(shares(expected), shares(observed), strict=True):
        middle = (p + q) / 2
        divergence += sum(s * math.log2(s / middle) / 2 for s in (p, q) if s)
    return math.sqrt(max(divergence, 0.0))


def kolmogorov_smirnov(
    expected: Sequence[float], observed: Sequence[float], num_expected: float | None = None
) -> TestResult:
    """Give the two-sample Kolmogorov-Smirnov test at the edges of ordered buckets.

    The statistic is the greatest difference of the two cumulated shares. Between edges nothing is
    known, so it is at most that of the values themselves, and less by no more than the largest
    bucket's share; the p-value errs to the side of chance. It is Kolmogorov's limit with the
    correction for small samples of Stephens, "Use of the Kolmogorov-Smirnov, Cramer-Von Mises and
    Related Statistics Without Extensive Tables", J. R. Stat. Soc. B 32, 1970.

    Args:
        expected: Counts of the reference, or its shares.
        observed: Counts now.
        num_expected: Rows of the reference if ``expected`` holds shares; infinite if they are
            stated, not counted.
    """
    pairs = zip(accumulate(shares(expected)), accumulate(shares(observed)), strict=True)
    statistic = max(abs(p - q) for p, q in pairs)
    count, reference = math.fsum(observed), num_expected or math.fsum(expected)
    size = math.sqrt(count if math.isinf(reference) else count * reference / (count + reference))
    return TestResult(statistic, kolmogorov((size + 0.12 + 0.11 / size) * statistic))


def chi_square(
    expected: Sequence[float], observed: Sequence[float], num_expected: float | None = None
) -> TestResult:
    """Give Pearson's chi-square test that both sides have the same shares.

    Of two samples: of a table of two rows, without Yates's correction; degrees of freedom are the
    buckets that have rows, less one. Against stated shares: of goodness of fit. Pearson, "On the
    criterion...", Phil. Mag. 50, 1900; see SciPy's ``chi2_contingency`` and ``chisquare``.

    Args:
        expected: Counts of the reference, or its shares.
        observed: Counts now.
        num_expected: As for ``kolmogorov_smirnov``.
    """
    count, reference = math.fsum(observed), num_expected or math.fsum(expected)
    pairs = [
        (p, q) for p, q in zip(shares(expected), shares(observed), strict=True) if p > 0 or q > 0
    ]
    if math.isinf(reference):
        terms = [count * (q - p) ** 2 / p if p else math.inf for p, q in pairs]
    else:
        # of two cells of one column: (q - p)^2 n m / (n q + m p)
        terms = [(q - p) ** 2 * count * reference / (count * q + reference * p) for p, q in pairs]
    statistic = math.fsum(terms)
    return TestResult(statistic, chi_square_tail(statistic, len(pairs) - 1))


def kolmogorov(value: float) -> float:
    """Give the chance that Kolmogorov's limit distribution exceeds ``value``.

    Two forms of one theta function: the usual series where it falls fast, its transform below 1.
    """
    if value <= 0:
        return 1.0
    if value < 1:
        squares = [(2 * k - 1) ** 2 for k in range(1, _MANY_TERMS)]
        total = math.fsum(math.exp(-s * math.pi**2 / (8 * value * value)) for s in squares)
        return min(1.0, max(0.0, 1 - math.sqrt(2 * math.pi) / value * total))
    terms = [(-1) ** (k - 1) * math.exp(-2 * (k * value) ** 2) for k in range(1, _MANY_TERMS)]
    return min(1.0, max(0.0, 2 * math.fsum(terms)))


def chi_square_tail(statistic: float, freedom: int) -> float:
    """Give the chance that a chi-square variable exceeds ``statistic``.

    Exact for whole degrees of freedom, by the recurrence Q(x; k + 2) = Q(x; k) + (x/2)^(k/2)
    exp(-x/2) / Gamma(k/2 + 1). Abramowitz and Stegun, 26.4.8.
    """
    if freedom < 1 or statistic <= 0:
        return 1.0
    if math.isinf(statistic):
        return 0.0
    half = statistic / 2
    first = freedom % 2 or 2
    tail = math.erfc(math.sqrt(half)) if first == 1 else math.exp(-half)
    steps = range(first, freedom, 2)
    logs = [k / 2 * math.log(half) - half - math.lgamma(k / 2 + 1) for k in steps]
    return min(1.0, math.fsum([tail, *map(math.exp, logs)]))
