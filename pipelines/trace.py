"""Say what became of one key: its rows in each table, and where they left the road.

Reads the versions that the ledger names, without Spark.
"""

import json
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any

from pipelines.cli import param
from pipelines.errors import ParameterError
from pipelines.layout import Layout
from pipelines.storage.place import place
from pipelines.tables.ledger_table import read_ledger, table_path
from pipelines.tables.records import column_names, read_records
from schemas.catalog import dataset
from schemas.contract import Column, ContractError, DatasetSpec, Source

_MASK = "***"
_MAX_SHOWN = 20


@dataclass(frozen=True, slots=True)
class TraceParams:
    """Say what became of the rows of one key, through all tables of the last run."""

    dataset: str = param("name of the data set, a module of schemas")
    root: str = param("folder that holds all data sets, e.g. lake")
    key: tuple[str, ...] = param("columns of the raw table and their values: NAME=VALUE ...")
    source: str = param("source whose rows are meant; the main one if empty", "")


@dataclass(frozen=True, slots=True)
class Trace:
    """The rows of one key in each table, in the order of the road.

    ``tables``: name, version and rows (at most 20; values of personal columns masked).
    ``quarantine``: rows set aside that hold every value of the key, by their text or JSON, or were
    mended to one of these rows; with what became of them.
    ``verdict``: one sentence.
    """

    dataset: str
    source: str
    key: dict[str, str]
    tables: tuple[dict[str, Any], ...]
    quarantine: tuple[dict[str, Any], ...]
    verdict: str


def run(params: TraceParams) -> Trace:
    """Follow one key through the last version of each table that a step has entered.

    Raises:
        ParameterError: The key names an unknown column or a value that is none of its type, or
            nothing has been run.
    """
    spec, layout = dataset(params.dataset), Layout(params.root, params.dataset)
    source = _source(spec, params.source)
    key = _parse_key(params.key, source)
    last = _last_versions(read_ledger(layout), source.name)
    if not last:
        raise ParameterError(
            f"expected the ledger of {spec.name} under {layout.base}; it has no entry of "
            f"{source.name}. Run the steps first, or give the --root they were given"
        )
    personal = {column.name for column in source.columns if column.is_personal}
    tables = tuple(_rows_of(layout, table, key, personal) for table in last.items())
    held = _quarantined(layout, source.name, key, tables)
    shown = tuple({**row, "raw": _MASK} if personal else row for row in held[:_MAX_SHOWN])
    said = {name: text for name, (_, text) in key.items()}
    return Trace(spec.name, source.name, said, tables, shown, _verdict(tables, held))


def _source(spec: DatasetSpec, name: str) -> Source:
    try:
        return spec.source(name) if name else spec.main
    except ContractError as error:
        raise ParameterError(f"--source: {error}") from error


def _parse_key(pairs: Sequence[str], source: Source) -> dict[str, tuple[Any, str]]:
    columns = {column.name: column for column in source.columns}
    found: dict[str, tuple[Any, str]] = {}
    for pair in pairs:
        name, sign, text = pair.partition("=")
        if not sign or name not in columns:
            raise ParameterError(
                f"--key: expected NAME=VALUE with a column of {source.name}, {sorted(columns)}; "
                f"got {pair!r}. Its primary key is {', '.join(source.primary_key)}"
            )
        found[name] = (_value(columns[name], text), text)
    if not found:
        raise ParameterError(
            f"--key: expected NAME=VALUE, such as {source.primary_key[0]}=...; got none"
        )
    return found


def _value(column: Column, text: str) -> Any:
    readers = {
        "string": str,
        "int": int,
        "long": int,
        "float": float,
        "double": float,
        "boolean": lambda value: {"true": True, "false": False}[value.lower()],
        "timestamp": _moment,
        "date": date.fromisoformat,
    }
    try:
        return readers[column.type](text)
    except (ValueError, KeyError) as error:
        raise ParameterError(
            f"--key: expected {column.name} as {column.type}; got {text!r}"
        ) from error


def _moment(text: str) -> datetime:
    moment = datetime.fromisoformat(text)
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _last_versions(entries: Sequence[Mapping[str, Any]], source: str) -> dict[str, int]:
    """Versions of the tables of one source, in the order of the road, by name."""
    found: dict[str, int] = {}
    for entry in entries:
        if entry["source"] == source and entry["read"] is not None:
            found.pop(entry["table"], None)
            found[entry["table"]] = entry["version"]
    return found


def _rows_of(
    layout: Layout,
    table: tuple[str, int],
    key: Mapping[str, tuple[Any, str]],
    personal: set[str],
) -> dict[str, Any]:
    name, version = table
    path = table_path(layout, name)
    lacks = sorted({*key} - {*column_names(path, version)})
    if lacks:
        return {"table": name, "version": version, "num_rows": None, "lacks": lacks, "rows": []}
    where = [(column, "=", value) for column, (value, _) in key.items()]
    rows = read_records(path, where, version=version)
    shown = [
        {column: _MASK if column in personal else value for column, value in row.items()}
        for row in rows[:_MAX_SHOWN]
    ]
    return {"table": name, "version": version, "num_rows": len(rows), "rows": shown}


def _quarantined(
    layout: Layout,
    source: str,
    key: Mapping[str, tuple[Any, str]],
    tables: Sequence[Mapping[str, Any]],
) -> list[dict[str, Any]]:
    rows = read_records(place(layout.quarantine), [("source", "=", source)])
    found = [row for table in tables for row in table["rows"]]
    places = {(row.get("_source_file"), row.get("_source_position")) for row in found}
    return [
        row
        for row in rows
        if _holds(row["raw"] or "", key)
        or (row.get("settled_by"), row.get("mended_position") or 0) in places
    ]


def _holds(raw: str, key: Mapping[str, tuple[Any, str]]) -> bool:
    """Say whether a row set aside has the key: by name in JSON, else each value as a word of it."""
    try:
        cells = json.loads(raw)
    except ValueError:
        cells = None
    if isinstance(cells, dict):
        return all(str(cells.get(name)) == text for name, (_, text) in key.items())
    return all(re.search(rf"(?<![\w.]){re.escape(text)}(?![\w.])", raw) for _, text in key.values())


def _verdict(tables: Sequence[Mapping[str, Any]], held: Sequence[Mapping[str, Any]]) -> str:
    counts = {
        table["table"]: table["num_rows"] for table in tables if table["num_rows"] is not None
    }
    there = [name for name, count in counts.items() if count]
    aside = f"; {len(held)} rows in the quarantine hold these values" if held else ""
    settled = Counter(row.get("status") for row in held if row.get("status") not in (None, "open"))
    if settled:
        words = ", ".join(f"{count} {status}" for status, count in sorted(settled.items()))
        aside += f" or were mended to them ({words})"
    if not there:
        return f"in no table{aside}"
    names = list(counts)
    later = names[names.index(there[-1]) + 1 :]
    said = ", ".join(f"{count} in {name}" for name, count in counts.items())
    end = f"left before {later[0]}" if later else "kept to the last table"
    return f"{end}: {said}{aside}"
