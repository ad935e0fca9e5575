"""Which files of a table may hold the rows that are asked for."""

from collections.abc import Mapping, Sequence
from typing import Any


def may_hold(added: Mapping[str, Any], where: Sequence[tuple[str, str, Any]]) -> bool:
    """Say whether a file may hold rows that keep all of ``where``, by its statistics in the log.

    >>> may_hold({"min.version": 3, "max.version": 5}, [("version", "<", 3)])
    False
    """
    for name, sign, value in where:
        least, greatest = added.get(f"min.{name}"), added.get(f"max.{name}")
        if least is None or greatest is None:
            continue
        if sign in ("=", ">=", ">") and greatest < value:
            return False
        if sign in ("=", "<=") and least > value:
            return False
        if sign == "<" and least >= value:
            return False
    return True
