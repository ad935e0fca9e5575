"""How rows go to training, validation and test: by time, by hash, or as their publisher says."""

from dataclasses import dataclass
from typing import TypeAlias


@dataclass(frozen=True, slots=True)
class TimeSplit:
    """Rows go to a split by time; ranges are half-open ISO dates or timestamps, UTC.

    Rows outside every range are filtered with the rule ``outside_split``.
    """

    column: str
    train: tuple[str, str]
    validation: tuple[str, str]
    test: tuple[str, str]


@dataclass(frozen=True, slots=True)
class HashSplit:
    """Rows go to a split by a hash of ``columns``: a key, or a group that must stay together.

    Fractions must sum to one. ``salt`` makes another assignment of the same rows.
    """

    columns: tuple[str, ...]
    train: float = 0.8
    validation: float = 0.1
    test: float = 0.1
    salt: str = ""


@dataclass(frozen=True, slots=True)
class GivenSplit:
    """Rows go where their publisher has put them: by the name of their file, or the column ``by``.

    Few publishers give rows for validation: without such a file, the share ``validation_share`` of
    the training rows becomes that, by a hash of ``columns`` (a key, or a group that must stay
    together). Rows of any other file or value, those of a replay among them, are filtered with the
    rule ``outside_split``.
    """

    train: tuple[str, ...]
    test: tuple[str, ...]
    validation: tuple[str, ...] = ()
    columns: tuple[str, ...] = ()
    validation_share: float = 0.1
    salt: str = ""
    by: str = ""


Split: TypeAlias = TimeSplit | HashSplit | GivenSplit


def split_columns(split: Split) -> tuple[str, ...]:
    """Columns of the main source that decide the split."""
    if isinstance(split, TimeSplit):
        return (split.column,)
    by = split.by if isinstance(split, GivenSplit) else ""
    return (*split.columns, by) if by else split.columns
