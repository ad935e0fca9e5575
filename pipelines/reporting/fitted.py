"""Fitted values from the states' JSON, as tables, whatever a state holds.

A state is nested lists and objects; four shapes of them read well as a table, see ``tabulate``.
"""

from dataclasses import dataclass
from typing import Any

from pipelines.reporting.run_record import Run
from pipelines.state import read_json
from pipelines.storage.place import place

MAX_ROWS = 400
_MAX_ITEMS = 8


@dataclass(frozen=True, slots=True)
class FittedTable:
    """Values under one key of a state; ``left_out`` rows are not shown."""

    step: str
    title: str
    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    left_out: int = 0


def fitted_tables(run: Run) -> list[FittedTable]:
    """Read the state of every step that has one, in the order of the run."""
    found: list[FittedTable] = []
    for result in run.ordered:
        path = place(result.files.get("state", ""))
        if path.is_file():
            found += tabulate(result.step, read_json(path))
    return found


def tabulate(step: str, state: Any, title: str = "") -> list[FittedTable]:
    """Give the tables of one JSON value.

    A list of objects becomes a row each; so does an object of objects, and an object of lists (how
    many values, and the first of them). The scalars of an object share one table, its other values
    get tables of their own.
    """
    name = title or "values"
    if isinstance(state, list) and state and all(isinstance(item, dict) for item in state):
        return [_records(step, name, [("", item) for item in state])]
    if not isinstance(state, dict):
        return [_cut(step, name, ("values",), [(say(state),)])]
    if state and all(isinstance(item, dict) and _is_flat(item) for item in state.values()):
        return [_records(step, name, list(state.items()))]
    if state and all(isinstance(item, list) and _is_plain(item) for item in state.values()):
        rows = [(key, f"{len(item):,}", say(item)) for key, item in state.items()]
        return [_cut(step, name, ("name", "values", "first"), rows)]
    plain = [(key, say(item)) for key, item in state.items() if _is_short(item)]
    tables = [_cut(step, name, ("name", "value"), plain)] if plain else []
    for key, item in state.items():
        if not _is_short(item):
            tables += tabulate(step, item, f"{title}.{key}" if title else key)
    return tables


def say(value: Any) -> str:
    """Give a short text of a value: six digits of a number, the first items of a list."""
    if value is None:
        return "none"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:,.6g}"
    if isinstance(value, list):
        said = ", ".join(say(item) for item in value[:_MAX_ITEMS])
        return f"{said}, … ({len(value):,} in all)" if len(value) > _MAX_ITEMS else said
    if isinstance(value, dict):
        return ", ".join(f"{key}: {say(item)}" for key, item in value.items())
    return str(value)


def _records(step: str, title: str, items: list[tuple[str, dict[str, Any]]]) -> FittedTable:
    keys = list(dict.fromkeys(key for _, item in items for key in item))
    # a column that says nothing in any row only widens the table
    keys = [key for key in keys if any(item.get(key) not in (None, [], "") for _, item in items)]
    is_named = any(name for name, _ in items)
    rows = [
        (*((name,) if is_named else ()), *(say(item.get(key)) for key in keys))
        for name, item in items
    ]
    return _cut(step, title, (*(("name",) if is_named else ()), *keys), rows)


def _cut(
    step: str, title: str, header: tuple[str, ...], rows: list[tuple[str, ...]]
) -> FittedTable:
    return FittedTable(step, title, header, tuple(rows[:MAX_ROWS]), max(len(rows) - MAX_ROWS, 0))


def _is_short(value: Any) -> bool:
    return (
        not isinstance(value, dict | list)
        or value in ({}, [])
        or (isinstance(value, list) and _is_plain(value))
    )


def _is_plain(value: list[Any]) -> bool:
    return not any(isinstance(item, dict | list) for item in value)


def _is_flat(value: dict[str, Any]) -> bool:
    return all(_is_short(item) for item in value.values())
