"""Hold the values of a contract to their declared types, so that each rule can rely on them.

A contract is a Python module that anybody may write; a wrong type is said with its place, not met
as a traceback in the middle of a step.
"""

import types
from collections.abc import Iterator
from dataclasses import fields, is_dataclass
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

_NUMBERS = (int, float)


def bad_types(value: Any, hint: Any, place: str) -> Iterator[str]:
    """Say where ``value`` is not of the type ``hint``, one phrase for each place."""
    origin, arguments = get_origin(hint), get_args(hint)
    if origin is Literal:
        if not any(value is word or (type(value) is str and value == word) for word in arguments):
            yield _said(place, f"one of {list(arguments)}", value)
    elif origin in (Union, types.UnionType):
        yield from _bad_union(value, arguments, place)
    elif origin is tuple:
        yield from _bad_tuple(value, arguments, place)
    elif origin is dict:
        yield from _bad_dict(value, arguments, place)
    elif is_dataclass(hint):
        yield from _bad_fields(value, hint, place)
    elif type(value) is not hint and not (hint is float and type(value) in _NUMBERS):
        yield _said(place, hint.__name__, value)


def _bad_fields(value: Any, hint: Any, place: str) -> Iterator[str]:
    if not isinstance(value, hint):
        yield _said(place, hint.__name__, value)
        return
    hints = get_type_hints(type(value))
    name = getattr(value, "name", "")
    for item in fields(value):
        owner = f"{place} {name}" if type(name) is str and name else place
        inner = f"{owner}.{item.name}" if place else item.name
        yield from bad_types(getattr(value, item.name), hints[item.name], inner)


def _bad_union(value: Any, hints: tuple[Any, ...], place: str) -> Iterator[str]:
    mine = [hint for hint in hints if isinstance(hint, type) and isinstance(value, hint)]
    if len(mine) == 1:
        yield from bad_types(value, mine[0], place)
    elif all(any(bad_types(value, hint, place)) for hint in hints):
        names = [getattr(hint, "__name__", str(hint)) for hint in hints]
        yield _said(place, f"one of {names}", value)


def _bad_tuple(value: Any, hints: tuple[Any, ...], place: str) -> Iterator[str]:
    if type(value) is not tuple:
        yield _said(place, "a tuple", value)
        return
    is_open = hints[-1] is Ellipsis
    if not is_open and len(value) != len(hints):
        yield _said(place, f"{len(hints)} values", value)
        return
    for number, item in enumerate(value):
        yield from bad_types(item, hints[0 if is_open else number], f"{place}[{number}]")


def _bad_dict(value: Any, hints: tuple[Any, ...], place: str) -> Iterator[str]:
    if type(value) is not dict:
        yield _said(place, "a dict", value)
        return
    for key, item in value.items():
        yield from bad_types(key, hints[0], f"{place} key")
        yield from bad_types(item, hints[1], f"{place}[{key!r}]")


def _said(place: str, expected: str, value: Any) -> str:
    return f"{place}: expected {expected}; got {value!r:.60}"
