"""Profiles of a reference table, computed once and kept as JSON."""

from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from pyspark.sql import DataFrame

from pipelines.quality.profiles import Profile, count_columns, fit_edges
from pipelines.state import read_json, write_json


def fit_profiles(
    rows: DataFrame, numeric: Sequence[str], categorical: Sequence[str], num_buckets: int
) -> tuple[Profile, ...]:
    """Fit buckets to ``rows`` and count them: two Spark jobs."""
    return count_columns(rows, fit_edges(rows, numeric, num_buckets), categorical)


def count_like(rows: DataFrame, reference: Sequence[Profile]) -> tuple[Profile, ...]:
    """Count ``rows`` in the buckets of ``reference``, in its order: one Spark job."""
    edges = {item.name: item.keys for item in reference if item.kind == "numeric"}
    words = [item.name for item in reference if item.kind != "numeric"]
    found = {item.name: item for item in count_columns(rows, edges, words)}
    return tuple(found[item.name] for item in reference)


def kept_profiles(
    path: Path, about: dict[str, Any], make: Callable[[], tuple[Profile, ...]]
) -> tuple[Profile, ...]:
    """Give the profiles in ``path``; make and keep them if there are none.

    ``about`` says of what they are, for a person who opens the file.
    """
    if path.exists():
        return tuple(_read(value) for value in read_json(path)["profiles"])
    made = make()
    write_json(path, {**about, "profiles": [asdict(item) for item in made]})
    return made


def _read(value: dict[str, Any]) -> Profile:
    fields: dict[str, Any] = {
        **value,
        "keys": tuple(value["keys"]),
        "counts": tuple(value["counts"]),
    }
    return Profile(**fields)
