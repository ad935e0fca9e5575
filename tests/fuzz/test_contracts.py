"""Contracts: a drawn one is refused with a clear word, or every later view of it can be made."""

from collections.abc import Iterator
from dataclasses import dataclass, fields, is_dataclass, replace
from typing import Any, cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines.quality.checks import single_checks
from pipelines.spark.schema import struct_type
from schemas.catalog import dataset
from schemas.contract import LAYERS, ContractError, DatasetSpec, Layer
from schemas.derive import imputed_sources, known_columns, table_spec
from schemas.feature_columns import feature_columns
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
        return replace(cast("Any", value), **{key: _changed(getattr(value, key), rest, new)})
    if isinstance(value, dict):
        return {**value, key: _changed(value[key], rest, new)}
    return (*value[:key], _changed(value[key], rest, new), *value[key + 1 :])


@dataclass(frozen=True)
class _Place:
    """The value at one of a contract's places."""

    number: int


_PLACES = {spec.name: sorted(_places(spec), key=str)[1:] for spec in _SPECS}


def _at(value: Any, place: tuple[Any, ...]) -> Any:
    for key in place:
        value = getattr(value, key) if is_dataclass(value) else value[key]
    return value


# which contract; and places in it with what is put there: an odd value, or that of another place
_Case = tuple[int, list[tuple[int, Any]]]
_cases = st.tuples(
    st.integers(0, len(_SPECS) - 1),
    st.lists(
        st.tuples(
            st.integers(0, 10**6),
            st.one_of(st.sampled_from(_ODD), st.integers(2, 10**6).map(_Place)),
        ),
        min_size=1,
        max_size=2,
    ),
)


def _spec(case: _Case) -> DatasetSpec:
    spec = _SPECS[case[0]]
    places = _PLACES[spec.name]
    for number, new in case[1]:
        value = _at(spec, places[new.number % len(places)]) if isinstance(new, _Place) else new
        spec = _changed(spec, places[number % len(places)], value)
        places = sorted(_places(spec), key=str)[1:] or [()]
    return spec


def _check(spec: Any) -> str:
    """What refuses ``spec``: its own rules, or those of its checks before a table is made."""
    try:
        check_contract(spec)
        _use(spec)
    except ContractError as error:
        return str(error)
    return ""


def _use(spec: DatasetSpec) -> None:
    tables: dict[Layer, list[str]] = {layer: [spec.main.name] for layer in LAYERS}
    others = [source.name for source in spec.sources[1:]]
    tables["raw"] += others
    tables["deduplicated"] += others
    tables["imputed"] += imputed_sources(spec)
    for layer, names in tables.items():
        for name in names:
            table = table_spec(spec, layer, name)
            assert struct_type(table.columns).fieldNames()
            assert single_checks(table)
    features = [item.name for item in feature_columns(spec.encodes)]
    assert len(features) == len(set(features)), features
    assert struct_type(tuple(known_columns(spec).values())).fieldNames()
    assert len(spec.fingerprint()) == 16


def test_the_contracts_themselves_are_used() -> None:
    assert [_check(spec) for spec in _SPECS] == ["", ""]


@settings(max_examples=300, derandomize=True, database=None, deadline=None)
@given(_cases)
def test_any_contract_is_refused_or_usable(case: _Case) -> None:
    _check(_spec(case))


@pytest.mark.slow
@settings(max_examples=3_000, derandomize=True, database=None, deadline=None)
@given(_cases)
def test_any_of_many_contracts_is_refused_or_usable(case: _Case) -> None:
    _check(_spec(case))
