"""Parts of a table by time."""

from dataclasses import dataclass
from typing import Literal, TypeAlias

Every: TypeAlias = Literal["hour", "day", "month"]


@dataclass(frozen=True, slots=True)
class Interval:
    """The column of time by which a table has parts, and how long one of them is, in UTC."""

    column: str
    every: Every
