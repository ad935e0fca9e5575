"""What rides on a write: words that hold many counts, and what is read of them."""

import pytest
from pyspark.sql import DataFrame, SparkSession

from pipelines.quality.riding import MOST_ROWS, read_riding, riding
from schemas.contract import Check
from tests.pipelines.quality.rides import GOOD, Rows, make_rows, make_spec

CHECKS = (
    Check("not_null", ("ride_id",)),
    Check("not_null", ("city",), mostly=0.5),
    Check("between", ("seats",), minimum=1),
    Check("in_set", ("city",), values=("Oslo", "Rome")),
    Check("sum", ("seats",), minimum=1),
)
BAD: Rows = [(1, "Ann", "Oslo", 1.0, 0), (2, "bob", None, 2.0, 3), (None, "eve", None, 3.0, 4)]


def values_of(rows: DataFrame, *checks: Check) -> dict[str, object]:
    """What Spark finds of the words that ride, by their names."""
    words = riding(make_spec(*checks), rows)
    named = [word.alias(f"n{place}") for place, word in enumerate(words.values())]
    return dict(zip(words, rows.agg(*named).collect()[0], strict=True))


def test_counts_that_a_good_table_has_none_of_are_zero_or_not_known(spark: SparkSession) -> None:
    good = read_riding(values_of(make_rows(spark, GOOD[:2]), *CHECKS))
    assert good["not_null(ride_id)"] == good["nulls(ride_id)"] == 0
    assert good['between(seats) {"minimum": 1}'] == 0
    bad = read_riding(values_of(make_rows(spark, BAD), *CHECKS))
    assert bad == {
        "rows": 3,
        "nulls(seats)": 0,
        "not_null(city)": 2,
        "nulls(city)": 2,
        'in_set(city) {"values": ["Oslo", "Rome"]}': 0,
        "sum(seats)": 7,
    }


def test_a_word_holds_63_bits_or_two_counts(spark: SparkSession) -> None:
    limits = [Check("between", ("fare",), minimum=-number) for number in range(1, 101)]
    shares = [Check("between", ("seats",), minimum=n, mostly=0.1) for n in range(1, 4)]
    rows = make_rows(spark, GOOD[:2])
    values = values_of(rows, *limits, *shares)
    # rows, 100 limits in two words; 3 shares and the nulls of two columns in three
    assert len(values) == 1 + 2 + 3
    assert set(read_riding(values).values()) <= {0, 1, 2}
    assert len(read_riding(values)) == 1 + 100 + 3 + 2


def test_every_bit_of_a_word_stands_for_its_own_rule(spark: SparkSession) -> None:
    limits = [Check("between", ("seats",), maximum=number) for number in range(70)]
    rows = make_rows(spark, [(1, "Ann", "Oslo", 1.0, 33)])
    known = read_riding(values_of(rows, *limits))
    held = [name for name, value in known.items() if name.startswith("between(") and value == 0]
    assert held == [f'between(seats) {{"maximum": {number}}}' for number in range(33, 70)]


def test_an_empty_table_has_none_of_anything(spark: SparkSession) -> None:
    known = read_riding(values_of(make_rows(spark, []), *CHECKS))
    assert {name: value for name, value in known.items() if value != 0} == {"sum(seats)": None}


@pytest.mark.parametrize(("num_rows", "is_known"), [(MOST_ROWS, True), (MOST_ROWS + 1, False)])
def test_counts_that_could_carry_over_are_not_read(num_rows: int, *, is_known: bool) -> None:
    found = {"rows": num_rows, 'sums ["nulls(a)", "nulls(b)"]': num_rows | num_rows << 32}
    known = read_riding(found)
    expected = {"nulls(a)": num_rows, "nulls(b)": num_rows} if is_known else {}
    assert known == {"rows": num_rows, **expected}


def test_numbers_that_json_holds_as_words_are_floats_again() -> None:
    assert read_riding({"rows": 1, "sum(a)": "Infinity"}) == {"rows": 1, "sum(a)": float("inf")}
