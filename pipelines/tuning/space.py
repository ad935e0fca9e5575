"""The space of a search: which parameters vary, and between what."""

import itertools
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias, cast

from pipelines.errors import ParameterError

_KEYS = {"low", "high", "log", "step"}
_MOST_POINTS = 1_000_000
_Check: TypeAlias = Callable[[Any], bool]
# what JSON may hold for a parameter of each type
_KINDS: dict[Any, tuple[str, _Check]] = {
    int: ("a whole number", lambda value: type(value) is int),
    float: ("a number", lambda value: type(value) in (int, float)),
    bool: ("true or false", lambda value: type(value) is bool),
    str: ("text", lambda value: type(value) is str),
    tuple[int, ...]: ("a list of whole numbers", lambda value: _is_list(value, int)),
    tuple[str, ...]: ("a list of texts", lambda value: _is_list(value, str)),
}


@dataclass(frozen=True, slots=True)
class Range:
    """All numbers from ``low`` to ``high``, by their logarithm or in steps if asked."""

    low: float
    high: float
    is_log: bool = False
    step: float = 0.0
    is_whole: bool = False


@dataclass(frozen=True, slots=True)
class Choice:
    """One of ``values``."""

    values: tuple[Any, ...]


Dimension: TypeAlias = Range | Choice
Space: TypeAlias = dict[str, Dimension]
# a parameter that counts only where another one has one of these values
Conditions: TypeAlias = Mapping[str, tuple[str, tuple[str, ...]]]


def read_space(value: Any, types: Mapping[str, Any]) -> Space:
    """Make a space of its JSON value: by parameter a list of values, or low, high, log and step.

    >>> space = read_space({"epochs": [5, 9], "rate": {"low": 0.1, "high": 1}},
    ...                    {"epochs": int, "rate": float})
    >>> space["epochs"], space["rate"].high
    (Choice(values=(5, 9)), 1.0)

    Args:
        value: As read from JSON.
        types: Type of each parameter that may vary.

    Raises:
        ParameterError: A parameter is unknown, or what it may be is not of its type.
    """
    if not isinstance(value, dict) or not value:
        raise ParameterError(
            "--space: expected a JSON object of parameters, such as "
            '{"learning_rate": {"low": 0.001, "high": 0.1, "log": true}}; got '
            f"{type(value).__name__ if value else 'none'}"
        )
    named = cast("dict[str, Any]", value)
    unknown = sorted(named.keys() - types.keys())
    if unknown:
        raise ParameterError(
            f"--space: expected parameters of train among {', '.join(sorted(types))}; got {unknown}"
        )
    return {name: _dimension(name, item, types[name]) for name, item in named.items()}


def combinations(space: Space, conditions: Conditions, base: Mapping[str, Any]) -> list[Any]:
    """Give all points of a grid, without what counts for nothing there, each once.

    Raises:
        ParameterError: A range has no step, or there are more than a million points.
    """
    names = list(space)
    values = [_points(name, space[name]) for name in names]
    count = 1
    for points in values:
        count *= len(points)
    if count > _MOST_POINTS:
        raise ParameterError(f"--sampler grid: expected at most {_MOST_POINTS} points; got {count}")
    found: list[dict[str, Any]] = []
    seen: set[str] = set()
    for point in itertools.product(*values):
        chosen = dict(zip(names, point, strict=True))
        kept = {n: v for n, v in chosen.items() if counts(n, {**base, **chosen}, conditions)}
        if repr(kept) not in seen:
            seen.add(repr(kept))
            found.append(kept)
    return found


def in_order(space: Space, conditions: Conditions) -> Iterator[str]:
    """Give the parameters, those on which others hang before these."""
    deciding = {decider for name, (decider, _) in conditions.items() if name in space}
    yield from (name for name in space if name in deciding)
    yield from (name for name in space if name not in deciding)


def counts(name: str, chosen: Mapping[str, Any], conditions: Conditions) -> bool:
    """Say whether a parameter counts, by what the others are."""
    if name not in conditions:
        return True
    decider, among = conditions[name]
    return chosen.get(decider) in among


def _dimension(name: str, item: Any, kind: Any) -> Dimension:
    words, is_kind = _KINDS[kind]
    if isinstance(item, list):
        listed = cast("list[Any]", item)
        if not listed or not all(map(is_kind, listed)):
            raise ParameterError(
                f"--space: {name}: expected values that are each {words}; got {item}"
            )
        return Choice(tuple(_plain(one, kind) for one in listed))
    if isinstance(item, dict) and kind in (int, float):
        return _range(name, cast("dict[str, Any]", item), kind)
    options = " or an object with low and high" if kind in (int, float) else ""
    raise ParameterError(f"--space: {name}: expected a list of values{options}; got {item!r}")


def _range(name: str, item: dict[str, Any], kind: Any) -> Range:
    words, is_kind = _KINDS[kind]
    numbers = [item.get("low"), item.get("high"), *([item["step"]] if "step" in item else [])]
    if not item.keys() <= _KEYS or not all(map(is_kind, numbers)):
        raise ParameterError(
            f"--space: {name}: expected low and high, each {words}, and at most one of log and "
            f"step beside; got {item}"
        )
    if type(item.get("log", False)) is not bool:
        raise ParameterError(f"--space: {name}: expected log to be true or false; got {item}")
    found = Range(
        kind(item["low"]), kind(item["high"]), item.get("log", False), item.get("step", 0),
        kind is int,
    )  # fmt: skip
    if found.low >= found.high or found.step < 0 or (found.is_log and found.step):
        raise ParameterError(
            f"--space: {name}: expected low below high, a step above 0, and not both log and step; "
            f"got {item}"
        )
    if found.is_log and found.low <= 0:
        raise ParameterError(f"--space: {name}: expected low above 0 with log; got {item}")
    return found


def _points(name: str, dimension: Dimension) -> list[Any]:
    if isinstance(dimension, Choice):
        return list(dimension.values)
    step = dimension.step or (1 if dimension.is_whole and not dimension.is_log else 0)
    if not step:
        raise ParameterError(
            f"--sampler grid: {name}: expected a list of values or a step; got a range without one"
        )
    number = int((dimension.high - dimension.low) / step + 1e-9) + 1
    kind = int if dimension.is_whole else _short
    return [kind(dimension.low + place * step) for place in range(min(number, _MOST_POINTS + 1))]


def _short(value: float) -> float:
    """Give 0.3 for 0.1 + 0.1 + 0.1: what is tried is also a flag that somebody reads."""
    return float(f"{value:.12g}")


def _plain(value: Any, kind: Any) -> Any:
    if kind is float:
        return float(value)
    return tuple(value) if isinstance(value, list) else value


def _is_list(value: Any, kind: type) -> bool:
    return isinstance(value, list) and all(type(item) is kind for item in cast("list[Any]", value))
