"""Bounds that are relative to what the last versions of a table were."""

import statistics
from collections.abc import Sequence
from dataclasses import replace

from pipelines.quality.measures import LEAST, OPEN, Numbers, value_name, value_of
from schemas.contract import Check


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
