"""Contracts hold together, and none lets a feature know the future."""

from dataclasses import replace

import pytest

from schemas.catalog import dataset, datasets
from schemas.contract import Column, ContractError, DatasetSpec, Derived, HashSplit
from schemas.derive import known_columns, late_derived, table_spec, words
from schemas.encode import Bucketed, Cyclic, Hashed, Impute, Join, Numeric, Rolling, Vocabulary
from schemas.feature_columns import feature_columns
from schemas.leakage import check_contract, encoded_columns

FLIGHTS = dataset("flights")
KNOWN_ONLY_LATER = {"dep_time", "dep_delay", "arr_time", "arr_delay", "air_time"}


@pytest.mark.parametrize("name", datasets())
def test_each_contract_keeps_the_rules(name: str) -> None:
    assert check_contract(dataset(name)).name == name


def test_no_feature_of_a_flight_is_read_from_its_own_outcome() -> None:
    encoded = {name for item in FLIGHTS.encodes for name in encoded_columns(item)}
    assert not encoded & KNOWN_ONLY_LATER
    columns = known_columns(FLIGHTS)
    sources = {name: words(item.sql) for item in FLIGHTS.derived for name in (item.column.name,)}
    for name in encoded & set(sources):
        assert not sources[name] & KNOWN_ONLY_LATER
    assert not [name for name in encoded if name in columns and columns[name].is_outcome]


def test_what_other_flights_did_counts_only_once_it_has_happened() -> None:
    columns = known_columns(FLIGHTS)
    for item in FLIGHTS.rollings:
        assert item.as_of == "scheduled_at"
        if columns[item.value].is_outcome:
            assert item.event_time in {"departed_at", "landed_at"}


def test_weather_is_looked_up_before_the_schedule_and_never_interpolated() -> None:
    weather = next(join for join in FLIGHTS.joins if join.source == "weather")
    assert weather.as_of == ("scheduled_at", "time_hour")
    methods = {item.method for item in FLIGHTS.imputes if item.source == "weather"}
    assert methods <= {"forward_fill", "constant"}


def _with(**changes: object) -> DatasetSpec:
    return replace(FLIGHTS, **changes)


def _mean(value: str, event_time: str, as_of: str) -> Rolling:
    return Rolling("x", "mean", value, ("origin",), event_time, as_of, 60)


LEAKS = [
    (
        {"encodes": (*FLIGHTS.encodes, Numeric("dep_delay"))},
        "feature dep_delay is an outcome",
    ),
    (
        {"encodes": (*FLIGHTS.encodes, Hashed(("origin", "arr_time"), 8))},
        "feature arr_time is an outcome",
    ),
    (
        {"derived": (*FLIGHTS.derived, Derived(Column("gain", "double"), "dep_delay - arr_delay"))},
        "gain is computed from outcomes ['arr_delay', 'dep_delay']",
    ),
    (
        {"rollings": (_mean("arr_delay", "scheduled_at", "scheduled_at"),)},
        "does not say when arr_delay was known",
    ),
    (
        {"rollings": (_mean("dep_delay", "departed_at", "departed_at"),)},
        "asks as of departed_at",
    ),
    (
        {"imputes": (*FLIGHTS.imputes, Impute("temp", "interpolate", source="weather"))},
        "looks at later rows",
    ),
    (
        {"imputes": (*FLIGHTS.imputes, Impute("temp", "mean", source="weather"))},
        "no training split to fit",
    ),
    (
        {"joins": (*FLIGHTS.joins[:-1], replace(FLIGHTS.joins[-1], on=(("air_time", "faa"),)))},
        "keyed by an outcome",
    ),
    ({"encodes": (Vocabulary("colour"),)}, "names no column 'colour'"),
    ({"prediction_time": "noon"}, "prediction_time names no column"),
    (
        {"derived": (*FLIGHTS.derived, Derived(Column("gain", "double"), "DEP_DELAY - 1"))},
        "gain is computed from outcomes ['dep_delay']",
    ),
    (
        {"derived": (*FLIGHTS.derived, Derived(Column("hot", "double"), "is_late * temp"))},
        "hot is computed from outcomes ['is_late']",
    ),
]  # fmt: skip


@pytest.mark.proves("B44")
@pytest.mark.parametrize(("changes", "message"), LEAKS)
def test_a_contract_that_leaks_or_errs_is_refused(changes: dict[str, object], message: str) -> None:
    with pytest.raises(ContractError, match="contract flights") as error:
        check_contract(_with(**changes))
    assert message in str(error.value)


def _source(**changes: object) -> dict[str, object]:
    return {"sources": (replace(FLIGHTS.main, **changes), *FLIGHTS.sources[1:])}


def _columns(**changes: object) -> dict[str, object]:
    """The flights with another first column."""
    first, *others = FLIGHTS.main.columns
    return _source(columns=(replace(first, **changes), *others))


BAD_NUMBERS = [
    ({"encodes": (*FLIGHTS.encodes, Numeric("temp"))}, "names come twice: ['temp_num']"),
    ({"encodes": (Hashed(("origin",), 0),)}, "Hashed: expected columns, and 1 bucket or more"),
    ({"encodes": (Hashed(("origin",), 8, "Is_Late"),)}, "names come twice: ['is_late']"),
    ({"encodes": (Numeric("temp", clip=0.0),)}, "Numeric: expected a clip above 0"),
    ({"encodes": (Vocabulary("origin", max_size=0),)}, "Vocabulary: expected sizes and counts of"),
    ({"encodes": (Cyclic("hour", 0.0),)}, "Cyclic: expected a period above 0"),
    ({"encodes": (Bucketed("temp", (2.0, 1.0)),)}, "Bucketed: expected rising boundaries"),
    ({"encodes": (Bucketed("temp"),)}, "Bucketed: expected rising boundaries, or num_quantiles"),
    ({"split": HashSplit(("origin",), 0.8, 0.1, 0.2)}, "expected fractions of the split that sum"),
    ({"split": HashSplit(("colour",))}, "the split needs columns that are there; it names ['col"),
    ({"split": replace(FLIGHTS.split, column="noon")}, "the split names no column 'noon'"),
    ({"split": replace(FLIGHTS.split, train=("2013-02", "2013"))}, "split train: expected ISO"),
    (
        {"split": replace(FLIGHTS.split, test=("2014-01-01", "2013-11-01"))},
        "split test: expected ISO dates or times, the earlier first",
    ),
    (
        {"rollings": (replace(FLIGHTS.rollings[0], window_s=0), *FLIGHTS.rollings[1:])},
        "expected a window above 0 s",
    ),
    (
        {"joins": (replace(FLIGHTS.joins[0], tolerance_s=-1), *FLIGHTS.joins[1:])},
        "expected keys, and a tolerance",
    ),
]


@pytest.mark.parametrize(("changes", "message"), BAD_NUMBERS)
def test_a_number_or_name_that_cannot_be_meant_is_refused(
    changes: dict[str, object], message: str
) -> None:
    with pytest.raises(ContractError, match="contract flights") as error:
        check_contract(_with(**changes))
    assert message in str(error.value)


BAD_SOURCES = [
    ({"sources": ()}, "it needs a source"),
    ({"sources": (*FLIGHTS.sources, FLIGHTS.sources[1])}, "sources: names come twice: ['weather'"),
    (_source(name="../flights"), "sources: expected letters, digits and _, a letter first; got"),
    (_columns(name="_raw"), "main source: expected letters, digits and _"),
    (_columns(name="größe"), "main source: expected letters, digits and _"),
    (_columns(name="Day"), "names come twice: ['Day', 'day']"),
    (_columns(name="split"), "names come twice: ['split', 'split']"),
    (_columns(name="is_late"), "names come twice: ['is_late', 'is_late']"),
    (_columns(type="decimal"), "flights.columns[0] year.type: expected one of ['string', 'int',"),
    (_columns(earliest="2013-01-01"), "column year: earliest and latest bound dates and times"),
    (_columns(type="date", earliest="20130101"), "year: expected bounds like '2013-01-31'; got"),
    (_columns(type="timestamp", latest="2013-02-30"), "year: expected bounds like '2013-01-31'"),
    (
        _columns(type="timestamp", earliest="2013-01-02", latest="2013-01-02T00:00:00"),
        "column year: expected earliest < latest",
    ),
    (_source(primary_key=()), "source flights needs a primary key"),
    (_source(primary_key=("tailnum",)), "source flights: its key ['tailnum'] may be null"),
    (_source(version_by=("seen_at",)), "source flights lacks its own columns ['seen_at']"),
    (_source(format="json"), "flights.format: expected one of ['csv', 'files', 'records']; got"),
    (_source(path_pattern="{year}.csv"), "source flights: a path_pattern is for the format files"),
    (_source(record_bytes=(1,)), "record_bytes is for the format records, which needs it"),
    (_source(format="records"), "record_bytes is for the format records, which needs it"),
    (_source(format="records", record_bytes=(1,)), "expected record_bytes, 1 or more, for each"),
    (_source(format="files", path_pattern="{year"), "path_pattern: expected names between braces"),
    (_source(format="files", path_pattern="{year}/*"), "expected columns named, by their header,"),
    (_columns(type="binary"), "source flights: no cell is binary; got ['year']"),
    (_source(primary_key=["year"]), "flights.primary_key: expected a tuple; got ['year']"),
    (_source(max_malformed_share="1"), "flights.max_malformed_share: expected float; got '1'"),
    ({"checks": {"silver": ()}}, "checks key: expected one of ['raw', 'deduplicated', "),
    ({"label": None}, "label: expected Label; got None"),
    (_source(delimiter=""), "source flights: expected a delimiter like ',' or ';'; got ''"),
    (_source(delimiter='"'), "source flights: expected a delimiter like"),
    (_source(delimiter="||", is_multiline=True), "is_multiline takes a delimiter of one character"),
    (_source(max_malformed_share=5), "expected max_malformed_share from 0 to 1; got 5"),
    (
        {"derived": (Derived(Column("noon", "date", latest="2014-01-01"), "date(time_hour)"),)},
        "noon is derived and has a bound",
    ),
]  # fmt: skip


@pytest.mark.proves("B41", "B45")
@pytest.mark.parametrize(("changes", "message"), BAD_SOURCES)
def test_a_source_that_cannot_be_meant_is_refused(changes: dict[str, object], message: str) -> None:
    with pytest.raises(ContractError, match="contract flights") as error:
        check_contract(_with(**changes))
    assert message in str(error.value)


def test_an_unknown_data_set_is_named_with_those_there_are() -> None:
    with pytest.raises(ContractError, match=r"expected a data set among .*'flights'.*'trains'"):
        dataset("trains")


def test_a_derived_column_that_reads_a_joined_one_waits_for_the_join() -> None:
    assert [item.column.name for item in late_derived(FLIGHTS)] == ["landed_at"]


def test_features_have_no_nulls_and_no_strings_beside_their_key() -> None:
    spec = table_spec(FLIGHTS, "features", "flights")
    keys = set(FLIGHTS.main.primary_key)
    kinds = {column.type for column in spec.columns if column.name not in {*keys, "split"}}
    assert kinds == {"float", "int"}
    assert not [column.name for column in spec.columns if column.is_nullable]


def test_feature_names_are_distinct() -> None:
    names = [item.name for item in feature_columns(FLIGHTS.encodes)]
    assert len(names) == len(set(names))


def test_a_join_of_a_missing_column_is_named() -> None:
    bad = Join("planes", on=(("tailnum", "tailnum"),), columns=(("wings", "wings"),))
    with pytest.raises(ContractError, match="planes has no column 'wings'"):
        check_contract(_with(joins=(bad,)))


def test_the_fingerprint_follows_every_word_of_the_contract() -> None:
    assert FLIGHTS.fingerprint() == dataset("flights").fingerprint()
    assert _with(title="x").fingerprint() != FLIGHTS.fingerprint()


def test_what_a_contract_does_not_use_leaves_its_fingerprint_as_it_was() -> None:
    # of the contracts as they were before there were classes, files, images and near duplicates
    assert dataset("flights").fingerprint() == "4a9a46a59ed03cf4"
    assert dataset("kddcup99").fingerprint() == "ca5cf298aa510a3b"
