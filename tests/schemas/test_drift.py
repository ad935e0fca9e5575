from dataclasses import replace

import pytest

from schemas.catalog import dataset
from schemas.contract import ContractError
from schemas.drift import ColumnLimits, Drift, Limits, limit_rows
from schemas.leakage import check_contract

FLIGHTS = dataset("flights")


def test_a_column_has_its_own_limits_or_those_of_the_data_set() -> None:
    own = ColumnLimits(("a", "b"), Limits(psi=1))
    drift = Drift(overrides=(own,))
    assert drift.limits_of("b") is own
    assert drift.limits_of("c") == ColumnLimits(("c",), drift.warning, drift.error)


def test_limits_make_no_table_and_no_model() -> None:
    other = replace(FLIGHTS, drift=Drift(warning=Limits(psi=0.2)))
    assert other.fingerprint() == FLIGHTS.fingerprint()
    assert replace(FLIGHTS, title="x").fingerprint() != FLIGHTS.fingerprint()


def test_all_limits_are_told_with_their_columns_and_reasons() -> None:
    drift = Drift(overrides=(ColumnLimits(("a",), Limits(psi=1), reason="why"),))
    rows = limit_rows(drift)
    assert [(row["severity"], row["columns"], row["psi"], row["reason"]) for row in rows] == [
        ("error", ["a"], None, "why"),
        ("warning", ["a"], 1, "why"),
        ("error", [], 0.25, ""),
        ("warning", [], 0.1, ""),
    ]


@pytest.mark.parametrize(
    ("drift", "message"),
    [
        (Drift(overrides=(ColumnLimits(("temp",)),)), r"what is predicted of it; got \['temp'\]"),
        (Drift(overrides=(ColumnLimits(("hour_code",)),) * 2), r"limits twice: \['hour_code'\]"),
        (Drift(significance=0.0), "significance in"),
        (Drift(num_buckets=1), "at least 2 buckets"),
        (Drift(warning=Limits(psi=-1)), "psi from 0 to any number"),
        (Drift(error=Limits(nulls=1.5)), "nulls from 0 to 1"),
        (Drift(warning=Limits(psi=0.5)), "psi warns at 0.5, after its error at 0.25"),
        (
            Drift(overrides=(ColumnLimits(("is_late",), Limits(ks=0.5), Limits(ks=0.1)),)),
            "drift of is_late: ks warns at 0.5",
        ),
    ],
)
def test_limits_that_cannot_be_meant_are_refused(drift: Drift, message: str) -> None:
    with pytest.raises(ContractError, match=message):
        check_contract(replace(FLIGHTS, drift=drift))
