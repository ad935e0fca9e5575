"""A wide source that is made long: its columns and keys, and what is refused."""

from dataclasses import replace

import pytest

from schemas.catalog import dataset
from schemas.contract import Column, ContractError, DatasetSpec, Derived, Source, Unpivot
from schemas.derive import main_columns, table_spec
from schemas.leakage import check_contract

LOOP = dataset("los_loop_15_min")
NAME, VALUE = Column("sensor", "string"), Column("reading", "double", is_nullable=True)


def _with(unpivot: Unpivot) -> DatasetSpec:
    return replace(LOOP, sources=(replace(LOOP.main, unpivot=unpivot),))


def test_tables_are_wide_until_the_split_and_long_from_there() -> None:
    raw, split = (table_spec(LOOP, layer, "readings") for layer in ("deduplicated", "split"))
    assert len(raw.columns) == 208 + 2
    assert raw.primary_key == ("line_id",)
    assert [c.name for c in main_columns(LOOP)][:3] == ["line_id", "sensor", "reading"]
    assert split.primary_key == ("line_id", "sensor")
    features = table_spec(LOOP, "features", "readings")
    assert [column.name for column in features.columns][:2] == ["line_id", "sensor"]
    assert LOOP.main.rows_of_each == 207


def test_a_source_that_is_not_wide_is_as_it_was() -> None:
    source = dataset("kddcup99").main
    assert (source.long_columns, source.long_key) == (source.columns, source.primary_key)
    assert source.rows_of_each == 1


@pytest.mark.parametrize(
    ("unpivot", "message"),
    [
        (Unpivot((), NAME, VALUE), "columns that are there and no key"),
        (Unpivot(("s773869", "line_id"), NAME, VALUE), "columns that are there and no key"),
        (Unpivot(("s773869", "s1"), NAME, VALUE), "columns that are there and no key"),
        (
            Unpivot(("s773869",), NAME, replace(VALUE, type="int")),
            r"expects ints; got \['double'\]",
        ),
        (Unpivot(("s773869",), replace(NAME, type="int"), VALUE), "needs a string name"),
        (Unpivot(("s773869",), NAME, replace(VALUE, is_nullable=False)), "that may be null"),
        (Unpivot(("s773869",), replace(NAME, name="at_s"), VALUE), r"names come twice: \['at_s'"),
    ],
)
def test_columns_that_can_not_be_unpivoted_are_named(unpivot: Unpivot, message: str) -> None:
    with pytest.raises(ContractError, match=message):
        check_contract(_with(unpivot))


def test_only_the_main_source_is_unpivoted() -> None:
    other = replace(LOOP.main, name="others")
    with pytest.raises(ContractError, match=r"sources \['others'\]: only the main source"):
        check_contract(replace(LOOP, sources=(LOOP.main, other)))


@pytest.mark.parametrize(
    "sql",
    [
        "first(speed) over (order by at_s range between 3 FOLLOWING and 3 following)",
        "lead(speed) over (partition by sensor order by at_s)",
    ],
)
def test_a_column_that_looks_at_later_rows_is_an_outcome(sql: str) -> None:
    later = Column("later", "double", is_nullable=True)
    with pytest.raises(ContractError, match="later looks at later rows: mark it is_outcome"):
        check_contract(replace(LOOP, derived=(*LOOP.derived, Derived(later, sql))))
    outcome = replace(later, is_outcome=True)
    check_contract(replace(LOOP, derived=(*LOOP.derived, Derived(outcome, sql))))


def test_a_naive_forecast_is_a_feature_as_it_is() -> None:
    label = replace(LOOP.label, naive="at_s")
    with pytest.raises(ContractError, match="naive forecast 'at_s' is no Numeric feature"):
        check_contract(replace(LOOP, label=label))


def test_an_unpivoted_source_counts_in_the_fingerprint() -> None:
    unpivot = LOOP.main.unpivot
    assert unpivot is not None
    fewer = _with(replace(unpivot, columns=unpivot.columns[1:]))
    assert fewer.fingerprint() != LOOP.fingerprint()
    assert isinstance(LOOP.main, Source)
