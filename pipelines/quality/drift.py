"""What has changed between two tables, column by column, and whether it is too much."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple, TypeAlias

from pipelines.quality.distance import (
    TestResult,
    chi_square,
    jensen_shannon,
    kolmogorov_smirnov,
    psi,
)
from pipelines.quality.profiles import Profile
from schemas.drift import ColumnLimits, Drift, Limits

Verdict: TypeAlias = Literal["ok", "warning", "error"]
BarKind: TypeAlias = Literal["range", "category", "other", "new", "nan", "null"]
_ORDER: tuple[Verdict, ...] = ("ok", "warning", "error")


@dataclass(frozen=True, slots=True)
class Bar:
    """One bucket and its share of the rows of both tables.

    ``value`` is the upper edge of a ``range`` (infinite in the last), or a category's word.
    """

    kind: BarKind
    value: Any
    reference: float
    now: float


@dataclass(frozen=True, slots=True)
class ColumnDrift:
    """One column against the reference.

    ``ks`` is had of numbers, ``chi2`` of categories, ``p_value`` of whichever is there; the p-value
    of all buckets together, ``chance``, decides whether a distance counts. Shares of nulls hold NaN
    too. ``why`` says each limit that was exceeded; without values in one table there are distances
    of nulls against values.
    """

    name: str
    kind: str
    psi: float
    js: float
    ks: float | None
    chi2: float | None
    p_value: float
    chance: float
    nulls_reference: float
    nulls_now: float
    new_categories: tuple[str, ...]
    new_share: float
    verdict: Verdict
    why: tuple[str, ...]
    bars: tuple[Bar, ...]


class _Found(NamedTuple):
    """What limits speak of, by their names."""

    psi: float
    jensen_shannon: float
    ks: float | None
    nulls: float
    new_categories: float


def compare(reference: Profile, now: Profile, settings: Drift) -> ColumnDrift:
    """Hold a column to what it was; both are counted in the reference's buckets.

    Raises:
        ValueError: One of the tables has no rows.
    """
    bars = _bars(reference, now, settings.num_categories)
    before, after = [bar[2] for bar in bars], [bar[3] for bar in bars]
    every = chi_square(before, after)
    ks = _ks(reference.counts, now.counts) if now.kind == "numeric" else None
    news = _new_categories(reference, now)
    found = _Found(
        psi(before, after),
        jensen_shannon(before, after),
        ks.statistic if ks else None,
        _null_share(now) - _null_share(reference),
        sum(news.values()) / now.num_rows,
    )
    limits = settings.limits_of(now.name)
    verdict, why = _judge(found, limits, is_chance=every.p_value >= settings.significance)
    return ColumnDrift(
        now.name,
        now.kind,
        psi=found.psi,
        js=found.jensen_shannon,
        ks=found.ks,
        chi2=None if ks else every.statistic,
        p_value=(ks or every).p_value,
        chance=every.p_value,
        nulls_reference=_null_share(reference),
        nulls_now=_null_share(now),
        new_categories=tuple(news),
        new_share=found.new_categories,
        verdict=verdict,
        why=why,
        bars=tuple(
            Bar(kind, value, old / reference.num_rows, new / now.num_rows)
            for kind, value, old, new in bars
        ),
    )


def worst(verdicts: Sequence[Verdict]) -> Verdict:
    """Give the worst of some verdicts; of none, ``ok``."""
    return _ORDER[max((_ORDER.index(verdict) for verdict in verdicts), default=0)]


def by_weight(found: Sequence[ColumnDrift]) -> list[ColumnDrift]:
    """Order columns as a person should read them: worst verdict first, then by falling PSI."""
    return sorted(found, key=lambda item: (-_ORDER.index(item.verdict), -item.psi, item.name))


def _bars(
    reference: Profile, now: Profile, num_categories: int
) -> list[tuple[BarKind, Any, int, int]]:
    """Buckets in order; those of nulls, NaN and new values only where there are any."""
    if reference.kind == "numeric":
        ends = [*reference.keys, math.inf]
        triples = zip(ends, reference.counts, now.counts, strict=True)
        bars: list[tuple[BarKind, Any, int, int]] = [("range", *triple) for triple in triples]
        rest: list[tuple[BarKind, Any, int, int]] = [("nan", None, reference.nans, now.nans)]
    else:
        counts = dict(zip(now.keys, now.counts, strict=True))
        known = list(zip(reference.keys, reference.counts, strict=True))
        after = [(key, count, counts.pop(key, 0)) for key, count in known]
        bars = [("category", *triple) for triple in after[:num_categories]]
        others = after[num_categories:]
        rest = [
            ("other", None, sum(c for _, c, _ in others), sum(n for _, _, n in others)),
            ("new", None, 0, sum(counts.values())),
        ]
    rest.append(("null", None, reference.nulls, now.nulls))
    return [*bars, *(bar for bar in rest if bar[2] or bar[3])]


def _ks(reference: Sequence[int], now: Sequence[int]) -> TestResult:
    if not (sum(reference) and sum(now)):
        # no number on one side: nothing to order; nulls tell of it
        return TestResult(0.0, 1.0)
    return kolmogorov_smirnov(reference, now)


def _new_categories(reference: Profile, now: Profile) -> dict[str, int]:
    if now.kind == "numeric":
        return {}
    known = {*reference.keys}
    pairs = zip(now.keys, now.counts, strict=True)
    return {key: count for key, count in pairs if key not in known}


def _null_share(profile: Profile) -> float:
    return (profile.nulls + profile.nans) / profile.num_rows


def _judge(
    found: _Found, limits: ColumnLimits, *, is_chance: bool
) -> tuple[Verdict, tuple[str, ...]]:
    hard = list(_exceeded(found, limits.error, is_chance=is_chance))
    soft = list(_exceeded(found, limits.warning, is_chance=is_chance))
    named = {name for name, _ in hard}
    why = [text for _, text in hard] + [text for name, text in soft if name not in named]
    verdict: Verdict = "error" if hard else "warning" if soft else "ok"
    return verdict, tuple(why)


def _exceeded(found: _Found, limits: Limits, *, is_chance: bool) -> Iterator[tuple[str, str]]:
    for name, words in _WORDS.items():
        limit, value = getattr(limits, name), getattr(found, name)
        is_shape = name not in ("nulls", "new_categories")
        if limit is None or value is None or value <= limit or (is_shape and is_chance):
            continue
        figures = (value, limit) if is_shape else (100 * value, 100 * limit)
        yield name, words.format(*figures)


_WORDS = {
    "psi": "PSI {:.3g}, more than {:.3g}",
    "jensen_shannon": "Jensen-Shannon distance {:.3g}, more than {:.3g}",
    "ks": "KS statistic {:.3g}, more than {:.3g}",
    "nulls": "share of nulls grew by {:.3g} points, more than {:.3g}",
    "new_categories": "{:.3g} % of rows with new categories, more than {:.3g} %",
}
