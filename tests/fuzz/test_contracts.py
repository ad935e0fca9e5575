"""Contracts: a drawn one is refused with a clear word, or every later view of it can be made."""

from collections.abc import Iterator
from dataclasses import fields, is_dataclass, replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines.quality.checks import single_checks
from pipelines.spark.schema import struct_type
from schemas.catalog import dataset
from schemas.contract import LAYERS, ContractError, DatasetSpec
from schemas.derive import feature_columns, imputed_sources, known_columns, table_spec
from schemas.leakage import check_contract
from tests.pipelines.sources.rides import spec as rides

_SPECS = (dataset("flights"), rides())
_ODD: tuple[Any, ...] = (
    None, True, 0, -1, 1, 2, 10**30, 0.5, float("nan"), float("inf"), "", " ", "a", "ride_id",
    "split", "_raw", "sql", "quarantine", "train", "2013-01-01", "mean", (), ("a",), ("ride_id",),
    ("a", "b"), (("a", "b"),), {}, {"raw": ()}, [], b"a", "weather", "temp", "is_late", "dep_delay",
)  # fmt: skip


def _places(value: Any) -> Iterator[tuple[Any, ...]]:
    yield ()
    if is_dataclass(value):
        items = [(item.name, getattr(value, item.name)) for item in fields(value)]
    elif isinstance(value, dict):
        items = list(value.items())
    else:
        items = list(enumerate(value)) if isinstance(value, tuple) else []
    for key, item in items:
        for place in _places(item):
            yield (key, *place)


def _changed(value: Any, place: tuple[Any, ...], new: Any) -> Any:
    if not place:
        return new
    key, rest = place[0], place[1:]
    if is_dataclass(value):
        return replace(value, **{key: _changed(getattr(value, key), rest, new)})  # type: ignore[type-var]
    if isinstance(value, dict):
        return {**value, key: _changed(value[key], rest, new)}
    return (*value[:key], _changed(value[key], rest, new), *value[key + 1 :])


_PLACES = {spec.name: sorted(_places(spec), key=str)[1:] for spec in _SPECS}


def _at(value: Any, place: tuple[Any, ...]) -> Any:
    for key in place:
        value = getattr(value, key) if is_dataclass(value) else value[key]
    return value


@st.composite
def _specs(draw: st.DrawFn) -> DatasetSpec:
    """A contract with one or two of its values replaced, by an odd one or by another of its own."""
    spec = draw(st.sampled_from(_SPECS))
    places = _PLACES[spec.name]
    for _ in range(draw(st.integers(1, 2))):
        place = draw(st.sampled_from(places))
        new = draw(st.one_of(st.sampled_from(_ODD), st.sampled_from(places)))
        try:
            new = _at(spec, new) if isinstance(new, tuple) and new in places else new
            spec = _changed(spec, place, new)
        except (AttributeError, IndexError, KeyError, TypeError):
            continue  # the first change took the second's place away
    return spec


def _check(spec: Any) -> str:
    try:
        check_contract(spec)
    except ContractError as error:
        return str(error)
    for source in spec.sources:
        for layer in LAYERS:
            is_main = source is spec.main
            if is_main or layer in ("raw", "deduplicated"):
                _use(table_spec(spec, layer, source.name))
    for name in imputed_sources(spec):
        _use(table_spec(spec, "imputed", name))
    names = [item.name for item in feature_columns(spec.encodes)]
    assert len(names) == len(set(names))
    assert struct_type(tuple(known_columns(spec).values())).fieldNames()
    assert len(spec.fingerprint()) == 16
    return ""


def _use(table: Any) -> None:
    assert struct_type(table.columns).fieldNames()
    assert single_checks(table)


def test_the_contracts_themselves_are_used() -> None:
    assert [_check(spec) for spec in _SPECS] == ["", ""]


@settings(max_examples=300, derandomize=True, database=None, deadline=None)
@given(_specs())
def test_any_contract_is_refused_or_usable(spec: DatasetSpec) -> None:
    _check(spec)


@pytest.mark.slow
@settings(max_examples=5_000, derandomize=True, database=None, deadline=None)
@given(_specs())
def test_any_of_many_contracts_is_refused_or_usable(spec: DatasetSpec) -> None:
    _check(spec)
