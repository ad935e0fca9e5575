"""When a column counts as drifted from what a model learned from: limits, stated per data set."""

from collections.abc import Collection, Iterator
from dataclasses import asdict, dataclass, fields
from typing import Any

_SHARES = ("jensen_shannon", "ks", "nulls", "new_categories")


@dataclass(frozen=True, slots=True)
class Limits:
    """Greatest differences from the reference that are let pass; None sets no limit.

    ``psi`` is the population stability index, ``jensen_shannon`` the distance to base 2, ``ks`` the
    Kolmogorov-Smirnov statistic (of numbers only), ``nulls`` a growth of the share of nulls and
    NaN, ``new_categories`` the share of rows with a category that the reference does not have.
    """

    psi: float | None = None
    jensen_shannon: float | None = None
    ks: float | None = None
    nulls: float | None = None
    new_categories: float | None = None


@dataclass(frozen=True, slots=True)
class ColumnLimits:
    """Limits of some columns in place of the data set's own.

    ``columns`` are features, the label, or what the model predicts: ``probability``, or
    ``prediction``.
    """

    columns: tuple[str, ...]
    warning: Limits = Limits()
    error: Limits = Limits()
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Drift:
    """How the columns of a features table, its label and predictions are held to a reference.

    A difference of distributions counts only if chance alone would make one as great in fewer than
    ``significance`` of all cases (chi-square over the same buckets): few rows differ by chance.
    Numbers are counted between ``num_buckets`` - 1 quantiles of the reference, codes as they are,
    the ``num_categories`` most frequent by themselves and all others as one.
    """

    warning: Limits = Limits(psi=0.1, nulls=0.01, new_categories=0.001)
    error: Limits = Limits(psi=0.25, nulls=0.05, new_categories=0.01)
    overrides: tuple[ColumnLimits, ...] = ()
    significance: float = 0.01
    num_buckets: int = 20
    num_categories: int = 50
    owner: str = ""

    def limits_of(self, column: str) -> ColumnLimits:
        """Give the limits of one column: its own, or those of the data set."""
        for item in self.overrides:
            if column in item.columns:
                return item
        return ColumnLimits((column,), self.warning, self.error)


def bad_drift(drift: Drift, known: Collection[str]) -> Iterator[str]:
    """Say what is wrong with the limits of drift, one phrase for each mistake.

    Args:
        drift: Of a data set.
        known: Columns that can be compared: features, label, what is predicted.
    """
    named = [name for item in drift.overrides for name in item.columns]
    if unknown := sorted({*named} - {*known}):
        yield f"drift: expected features, the label or what is predicted of it; got {unknown}"
    if twice := sorted({name for name in named if named.count(name) > 1}):
        yield f"drift: columns have limits twice: {twice}"
    if not 0 < drift.significance <= 1:
        yield f"drift: expected significance in (0, 1]; got {drift.significance}"
    if not (drift.num_buckets > 1 and drift.num_categories > 0):
        yield (
            "drift: expected at least 2 buckets and 1 category; got "
            f"{drift.num_buckets} and {drift.num_categories}"
        )
    own = ColumnLimits((), drift.warning, drift.error)
    for item in (own, *drift.overrides):
        yield from _bad_limits(item)


def _bad_limits(item: ColumnLimits) -> Iterator[str]:
    where = ", ".join(item.columns) or "the data set"
    for name in (part.name for part in fields(Limits)):
        soft, hard = getattr(item.warning, name), getattr(item.error, name)
        ends = [value for value in (soft, hard) if value is not None]
        if any(not value >= 0 or (name in _SHARES and value > 1) for value in ends):
            most = "1" if name in _SHARES else "any number"
            yield f"drift of {where}: expected limits of {name} from 0 to {most}; got {ends}"
        if soft is not None and hard is not None and soft > hard:
            yield f"drift of {where}: {name} warns at {soft}, after its error at {hard}"


def limit_rows(drift: Drift) -> list[dict[str, Any]]:
    """Give all limits as plain values, one row for each severity of each set of columns."""
    own = ColumnLimits((), drift.warning, drift.error)
    return [
        {
            "severity": severity,
            "columns": list(item.columns),
            "reason": item.reason,
            **asdict(limits),
        }
        for item in (*drift.overrides, own)
        for severity, limits in (("error", item.error), ("warning", item.warning))
    ]
