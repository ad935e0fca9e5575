"""What the numbers of a table were in its last versions: bounds from them, lines of them."""

import statistics
from collections.abc import Sequence
from dataclasses import dataclass, replace

from pipelines.quality.measures import (
    LEAST,
    OPEN,
    Numbers,
    broken_name,
    needed_names,
    value_name,
    value_of,
)
from schemas.contract import Check


@dataclass(frozen=True, slots=True)
class Trace:
    """The number that a check rests on, over versions: oldest first, this one last.

    ``values`` has None where a version lacks the number. ``minimum`` and ``maximum`` bound a number
    of the whole table; a count of rows that break a rule has neither. ``name`` is empty for a check
    that rests on no number.
    """

    name: str
    values: tuple[float | None, ...] = ()
    minimum: float | None = None
    maximum: float | None = None


def trace(check: Check, versions: Sequence[Numbers]) -> Trace:
    """Give the values of the number that ``check`` rests on in ``versions``, oldest first.

    ``check`` has absolute bounds, see ``resolve_bounds``.
    """
    name = next(iter(needed_names(check)), "")
    if not name:
        return Trace("")
    if name == broken_name(check):
        return Trace(name, tuple(numbers.get(name) for numbers in versions))
    values = tuple(_value(check, numbers) for numbers in versions)
    if check.rule == "fresh":
        return Trace(name, values)  # its bound is in hours, the value a moment
    least = None if check.minimum in (LEAST, OPEN.get(check.rule)) else check.minimum
    return Trace(name, values, least, check.maximum)


def _value(check: Check, numbers: Numbers) -> float | None:
    try:
        return value_of(check, numbers)
    except KeyError:
        return None


def resolve_bounds(check: Check, history: Sequence[Numbers]) -> Check:
    """Give ``check`` with absolute bounds; as it is if its bounds are absolute already.

    Args:
        check: With ``last`` and ``sigmas``: mean of the last values plus or minus so many standard
            deviations of a sample (Shewhart's control chart); else bounds are shares of the mean.
        history: Numbers of earlier versions, newest last; those that lack the number do not count.
    """
    if not check.last:
        return check
    values = [
        float(value)
        for numbers in history
        if value_name(check) in numbers and (value := value_of(check, numbers)) is not None
    ][-check.last :]
    if not values or (check.sigmas is not None and len(values) == 1):
        return replace(check, minimum=OPEN.get(check.rule, LEAST), maximum=None)
    mean = statistics.fmean(values)
    if check.sigmas is not None:
        width = check.sigmas * statistics.stdev(values)
        return replace(check, minimum=mean - width, maximum=mean + width)
    ends = [None if share is None else share * mean for share in (check.minimum, check.maximum)]
    least, greatest = ends if mean >= 0 else reversed(ends)
    return replace(check, minimum=least, maximum=greatest)
