"""Numbers of each interval of a table's time, and their merge: states, after Deequ's.

A number of an interval is called ``NAME@INTERVAL``, e.g. ``rows@2026-11``; ``rows@none`` counts
rows without a time. Plain numbers merge: of counts and sums the sum, of ``newest`` the greater. So
an interval that was written again is counted alone, and the others' numbers are taken from before.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from pipelines.quality.history import Trace, resolve_bounds, trace
from pipelines.quality.measures import ROWS, Numbers, broken_name, plain_numbers, read_number
from schemas.contract import Check
from schemas.interval import Every, Interval, Span

NONE = "none"
_FORMATS = {"month": "%Y-%m", "day": "%Y-%m-%d", "hour": "%Y-%m-%dT%H"}
_SPARK = {"month": "yyyy-MM", "day": "yyyy-MM-dd", "hour": "yyyy-MM-dd'T'HH"}
_MAX_EXACT = 2.0**53
_STEPS = {"hour": timedelta(hours=1), "day": timedelta(days=1)}


def interval_of(interval: Interval) -> Column:
    """Give the name of the interval that a row lies in, in UTC."""
    moment = F.col(interval.column).cast("timestamp")
    return F.coalesce(F.date_format(moment, _SPARK[interval.every]), F.lit(NONE))


def count_intervals(rows: DataFrame, checks: Sequence[Check], interval: Interval) -> DataFrame:
    """Give the plain numbers of ``checks`` of each interval, as rows of name and value (text)."""
    numbers = plain_numbers(checks)
    named = [number.alias(f"_{place}") for place, number in enumerate(numbers.values())]
    parts = rows.groupBy(interval_of(interval).alias("_interval")).agg(*named)
    pairs = [
        F.struct(
            F.concat(F.lit(f"{name}@"), "_interval").alias("name"),
            F.col(f"_{place}").cast("string").alias("value"),
        )
        for place, name in enumerate(numbers)
    ]
    return parts.select(F.explode(F.array(*pairs)).alias("pair")).select("pair.*")


def merge(parts: Iterable[Mapping[str, float | None]]) -> Numbers:
    """Give the plain numbers of a whole from those of its parts, which share no row.

    A number that a part has no value of (a sum over nulls) leaves the others' as it is.

    >>> merge([{"rows": 2, "newest(at)": 7}, {"rows": 3, "newest(at)": 5}])
    {'rows': 5, 'newest(at)': 7}
    """
    found: Numbers = {}
    for part in parts:
        for name, value in part.items():
            known = found.get(name)
            if known is None or value is None:
                found[name] = value if known is None else known
            elif name.startswith("newest("):
                found[name] = max(known, value)
            else:
                found[name] = known + value
    return found


def by_interval(numbers: Mapping[str, float | None]) -> dict[str, Numbers]:
    """Give the numbers of each interval by their plain names, intervals ascending."""
    found: dict[str, Numbers] = {}
    for name, value in numbers.items():
        plain, sign, interval = name.rpartition("@")
        if sign and (interval == NONE or _moment(interval)):
            found.setdefault(interval, {})[plain] = value
    return dict(sorted(found.items()))


def gaps(present: Iterable[str], every: str) -> tuple[str, ...]:
    """Give the intervals between the first and the last of ``present`` that are not among them.

    >>> gaps(["2026-11-29", "2026-12-02"], "day")
    ('2026-11-30', '2026-12-01')
    """
    there = {name for name in present if name != NONE}
    missing: list[str] = []
    for name in sorted(there)[:1]:
        while (name := _next(name, every)) < max(there):
            if name not in there:
                missing.append(name)
    return tuple(missing)


def interval_names(span: Span, every: Every) -> frozenset[str]:
    """Give the names of the intervals that ``span`` touches.

    >>> from schemas.interval import read_span
    >>> sorted(interval_names(read_span("2026-11-30T00:00:00Z/2026-12-02T00:00:00Z"), "day"))
    ['2026-11-30', '2026-12-01']
    """
    names = [span.start.strftime(_FORMATS[every])]
    end = span.end.strftime(_FORMATS[every])
    while (name := _next(names[-1], every)) < end:
        names.append(name)
    return frozenset(names)


def can_merge(
    states: Mapping[str, float | None], checks: Sequence[Check], interval: Interval
) -> bool:
    """Say whether numbers of intervals are those that ``checks`` need, of intervals as these."""
    wanted = plain_numbers(checks).keys()
    parts = by_interval(states)
    return bool(parts) and all(
        wanted <= part.keys() and (name == NONE or _is_named(name, interval.every))
        for name, part in parts.items()
    )


def resolve_interval(check: Check, numbers: Mapping[str, float | None]) -> Check:
    """Name the newest interval in a check of one, and give its bounds from those before it."""
    if not check.interval:
        return check
    states = {name: part for name, part in by_interval(numbers).items() if name != NONE}
    before = list(states)[:-1]
    plain = resolve_bounds(replace(check, interval=""), [states[name] for name in before])
    return replace(plain, interval=next(reversed(states), NONE))


def with_gaps(numbers: Numbers, checks: Iterable[Check], every: str) -> Numbers:
    """Add the number of intervals that are missing, for the checks that ask for it."""
    there = [name for name, part in by_interval(numbers).items() if part.get(ROWS)]
    missing = len(gaps(there, every))
    return numbers | {broken_name(c): missing for c in checks if c.rule == "no_gaps"}


def count_again(
    rows: DataFrame,
    checks: Sequence[Check],
    interval: Interval,
    former: tuple[Mapping[str, float | None], frozenset[str]],
) -> Numbers:
    """Give the numbers of a table of which some intervals were written again, and of each interval.

    Args:
        rows: The table; only rows of those intervals are read, as far as statistics of its files or
            of their row groups tell them apart.
        checks: Whose plain numbers to give.
        interval: What the table's intervals are.
        former: Numbers of the intervals before, and the names of those written again.
    """
    states, changed = former
    again = rows.where(_within(interval, sorted(changed)))
    found = count_intervals(again, checks, interval).collect()
    kept = {
        f"{name}@{part}": _count(value)
        for part, numbers in by_interval(states).items()
        if part not in changed
        for name, value in numbers.items()
    }
    kept |= {pair["name"]: read_number(pair["value"]) for pair in found}
    return {**merge(by_interval(kept).values()), **kept}


def trace_check(check: Check, versions: Sequence[Numbers]) -> Trace:
    """Give a check's number over versions; that of an interval over the last one's intervals."""
    if not check.interval:
        return trace(check, versions)
    states = [part for name, part in by_interval(versions[-1]).items() if name != NONE]
    return trace(replace(check, interval=""), states)


def _count(value: float | None) -> float | None:
    """A count that a table kept as a float is whole again."""
    is_whole = isinstance(value, float) and value.is_integer() and abs(value) < _MAX_EXACT
    return int(value) if is_whole and value is not None else value


def _within(interval: Interval, names: Sequence[str]) -> Column:
    """Say that a row lies in one of these intervals, by ranges: statistics can rule files out."""
    column = F.col(interval.column)
    found = column.isNull() if NONE in names else F.lit(False)
    ranges: list[tuple[str, str]] = []
    for name in sorted(name for name in names if name != NONE):
        end = _next(name, interval.every)
        if ranges and ranges[-1][1] == name:
            ranges[-1] = (ranges[-1][0], end)
        else:
            ranges.append((name, end))
    for ends in ranges:
        first, last = (F.lit(_moment(end)).cast("timestamp") for end in ends)
        found = found | ((column >= first) & (column < last))
    return found


def _is_named(name: str, every: Every) -> bool:
    try:
        datetime.strptime(name, _FORMATS[every]).replace(tzinfo=UTC)
    except ValueError:
        return False
    return True


def _moment(interval: str) -> datetime | None:
    for form in _FORMATS.values():
        try:
            return datetime.strptime(interval, form).replace(tzinfo=UTC)
        except ValueError:
            continue
    return None


def _next(interval: str, every: str) -> str:
    moment = datetime.strptime(interval, _FORMATS[every]).replace(tzinfo=UTC)
    if every == "month":
        later = (moment + timedelta(days=32)).replace(day=1)
    else:
        later = moment + _STEPS[every]
    return later.strftime(_FORMATS[every])
