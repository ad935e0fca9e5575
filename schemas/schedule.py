"""How often new data of a data set arrive, and since when: what a scheduler goes by."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

PRESETS = ("@hourly", "@daily", "@weekly", "@monthly", "@yearly")
# minute, hour, day of the month, month, day of the week: least and greatest
_RANGES = ((0, 59), (0, 23), (1, 31), (1, 12), (0, 7))
_PART = re.compile(r"(\*|(\d+)(-(\d+))?)(/(\d+))?", re.ASCII)


@dataclass(frozen=True, slots=True)
class Schedule:
    """One run for each interval between two times of ``cron``, once the interval is over.

    ``cron`` is a preset such as ``@daily`` or five fields (minute, hour, day of the month, month,
    day of the week) of numbers, ``*``, ranges, steps and lists, UTC. The first interval begins at
    ``start`` or after it, the last one before ``end``: ISO dates or timestamps, UTC; no end if
    empty. With ``catchup`` intervals that were missed are run too; without, the newest one only.
    """

    cron: str
    start: str
    end: str = ""
    catchup: bool = False


def bad_schedule(schedule: Schedule | None) -> Iterator[str]:
    """Say what is wrong with ``schedule``, one phrase for each mistake; no schedule is none."""
    if schedule is None:
        return
    if not _is_cron(schedule.cron):
        yield (
            f"schedule: expected cron as one of {list(PRESETS)} or five fields like '0 3 * * *'; "
            f"got {schedule.cron!r}"
        )
    start, end = _time(schedule.start), _time(schedule.end)
    if start is None:
        yield f"schedule: expected start like '2013-01-31'; got {schedule.start!r}"
    if schedule.end and end is None:
        yield f"schedule: expected end like '2013-01-31' or nothing; got {schedule.end!r}"
    if start and end and start >= end:
        yield f"schedule: expected start < end; got {schedule.start} and {schedule.end}"


def _time(text: str) -> datetime | None:
    try:
        time = datetime.fromisoformat(text)
    except ValueError:
        return None
    return time if time.tzinfo else time.replace(tzinfo=UTC)


def _is_cron(text: str) -> bool:
    if text in PRESETS:
        return True
    fields = text.split(" ")
    if len(fields) != len(_RANGES):
        return False
    pairs = zip(fields, _RANGES, strict=True)
    return all(_is_part(part, *ends) for field, ends in pairs for part in field.split(","))


def _is_part(text: str, least: int, greatest: int) -> bool:
    found = _PART.fullmatch(text)
    if not found:
        return False
    first, last, step = (int(n) if n else None for n in (found[2], found[4], found[6]))
    ends = [number for number in (first, last) if number is not None]
    is_within = all(least <= number <= greatest for number in ends)
    return is_within and ends == sorted(ends) and step != 0
