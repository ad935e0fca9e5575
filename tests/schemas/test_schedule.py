"""When the data of a data set arrive."""

from dataclasses import replace

import pytest

from schemas.catalog import dataset
from schemas.contract import ContractError
from schemas.leakage import check_contract
from schemas.schedule import Schedule, bad_schedule

FLIGHTS = dataset("flights")


@pytest.mark.parametrize(
    "cron", ["@daily", "@monthly", "0 3 * * *", "*/15 * * * *", "0 0 1,15 1-6 7", "5 0-12/2 * * 0"]
)
def test_a_schedule_that_can_be_meant_is_taken(cron: str) -> None:
    assert [*bad_schedule(Schedule(cron, "2013-01-01", "2014-01-01T12:00:00"))] == []


@pytest.mark.parametrize(
    ("schedule", "words"),
    [
        (Schedule("daily", "2013-01-01"), "expected cron as one of"),
        (Schedule("@once", "2013-01-01"), "expected cron as one of"),
        (Schedule("60 * * * *", "2013-01-01"), "expected cron as one of"),
        (Schedule("* * 0 * *", "2013-01-01"), "expected cron as one of"),
        (Schedule("5-1 * * * *", "2013-01-01"), "expected cron as one of"),
        (Schedule("*/0 * * * *", "2013-01-01"), "expected cron as one of"),
        (Schedule("* * * *", "2013-01-01"), "expected cron as one of"),
        (Schedule("@daily", ""), "expected start like '2013-01-31'; got ''"),
        (Schedule("@daily", "2013-01-01", "soon"), "expected end like"),
        (Schedule("@daily", "2013-01-02", "2013-01-02"), "expected start < end"),
    ],
)
def test_a_schedule_that_cannot_be_meant_is_an_error_of_the_contract(
    schedule: Schedule, words: str
) -> None:
    with pytest.raises(ContractError, match=words):
        check_contract(replace(FLIGHTS, schedule=schedule))


def test_when_it_is_made_decides_no_table() -> None:
    assert replace(FLIGHTS, schedule=None).fingerprint() == FLIGHTS.fingerprint()
