"""Parts of a table by time."""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal, TypeAlias

Every: TypeAlias = Literal["hour", "day", "month"]


@dataclass(frozen=True, slots=True)
class Interval:
    """The column of time by which a table has parts, and how long one of them is, in UTC."""

    column: str
    every: Every


@dataclass(frozen=True, slots=True)
class Span:
    """Times from ``start`` on and before ``end``, in UTC; as text ``START/END``."""

    start: datetime
    end: datetime

    def __str__(self) -> str:
        return f"{say_moment(self.start)}/{say_moment(self.end)}"

    def condition(self, column: str) -> str:
        """Say in SQL that a column of times or dates lies inside: statistics can rule files out."""
        name = "`" + column.replace("`", "``") + "`"
        start, end = (f"timestamp'{say_moment(moment)}'" for moment in (self.start, self.end))
        return f"{name} >= {start} AND {name} < {end}"

    def is_apart(self, other: "Span") -> bool:
        """Say whether no time lies in both."""
        return self.end <= other.start or other.end <= self.start


def read_span(text: str) -> Span:
    """Read the text of a span.

    Raises:
        ValueError: It is none.
    """
    start, _, end = text.partition("/")
    return Span(datetime.fromisoformat(start), datetime.fromisoformat(end))


def begins_interval(moment: datetime, every: Every) -> bool:
    """Say whether an interval begins at ``moment``, in UTC."""
    hour = moment.replace(minute=0, second=0, microsecond=0)
    day = hour.replace(hour=0)
    return moment == {"hour": hour, "day": day, "month": day.replace(day=1)}[every]


def say_moment(moment: datetime) -> str:
    """Give a time in UTC as ISO 8601.

    >>> from datetime import UTC
    >>> say_moment(datetime(2013, 1, 1, tzinfo=UTC))
    '2013-01-01T00:00:00Z'
    """
    return moment.isoformat().replace("+00:00", "Z")
