"""One file with one row for each way to be bad; what becomes of it, and what is said."""

import gzip
from dataclasses import replace
from pathlib import Path

import pytest
from py4j.protocol import Py4JJavaError
from pyspark.sql import DataFrame, SparkSession

from pipelines.errors import LedgerError
from pipelines.sources.inspect_files import inspect_files
from pipelines.sources.parse import parse_records
from pipelines.sources.replays import Taken
from pipelines.sources.settle import explain_settled, quarantined
from pipelines.sources.span import mark_outside
from pipelines.sources.text import read_records
from schemas.contract import Source
from tests.pipelines.sources.rides import GOOD, source, write

_AT = b",2024-01-02T10:00:00Z,5"
_LONG = b"9," + b"x" * 2**20 + b",,,,"
# (line, fate, a part of the detail)
_LINES: list[tuple[bytes, str, str]] = [
    (GOOD, "kept", ""),
    (b'2,"a, ""b""",NA,,,', "kept", ""),
    (b" 3 , Bob , 1.5 ,2024-01-02, 2024-01-02T10:00:00+01:00 ,NA", "kept", ""),
    (b"+4,NA,-1e3,2024-02-29,2024-01-02 10:00:00.5Z,9223372036854775807", "kept", ""),
    (b"", "filtered:blank", ""),
    (b"   ", "filtered:blank", ""),
    (b"5,a,b", "quarantined:field_count", "expected 6 fields; got 3"),
    (b"5,,,,,,", "quarantined:field_count", "expected 6 fields; got 7"),
    (b'5,"a,b",,,,,', "quarantined:field_count", "expected 6 fields; got 7"),
    (b",,,,,", "quarantined:null:ride_id", "expected a value; got ''"),
    (b"NA,a,,,,", "quarantined:null:ride_id", "got 'NA'"),
    (b"abc,a,,,,", "quarantined:type:ride_id", "expected int; got 'abc'"),
    (b"1.0,a,,,,", "quarantined:type:ride_id", "got '1.0'"),
    (b"99999999999,a,,,,", "quarantined:type:ride_id", "expected int"),
    (b"6,a,1d,,,", "quarantined:type:fare", "expected double; got '1d'"),
    (b"6,a,0x1p3,,,", "quarantined:type:fare", ""),
    (b'6,a,"1,5",,,', "quarantined:type:fare", "got '1,5'"),
    (b"6,a,NaN,,,", "quarantined:not_finite:fare", "expected a finite number; got 'NaN'"),
    (b"6,a,-Infinity,,,", "quarantined:not_finite:fare", ""),
    (b"6,a,1e400,,,", "quarantined:not_finite:fare", ""),
    (b"7,a,,2024-02-30,,", "quarantined:type:day", ""),
    (b"7,a,,2024,,", "quarantined:type:day", "expected date; got '2024'"),
    (b"8,a,,,2024-13-01T10:00:00Z,", "quarantined:type:at", ""),
    (b"8,a,,,2024-03-31T02:30:00,", "quarantined:timezone:at", "with Z or an offset"),
    (b"8,a,,,2024-01-02T10:00Z,", "quarantined:type:at", ""),
    (b"8,a,,,yesterday,", "quarantined:type:at", "expected timestamp; got 'yesterday'"),
    (b"9,a,,,,+49 30", "quarantined:type:phone", "expected long; got a personal value, not shown"),
    (b"9,a\0b,,,,", "quarantined:control_character", ""),
    (b"9,M\xe4x,,,,", "quarantined:encoding", "expected UTF-8"),
    ("9,M\ufffdx,,,,".encode(), "quarantined:encoding", "U+FFFD"),
    (b'9,"one', "quarantined:unbalanced_quote", "is_multiline=True"),
    (b'two",,,,', "quarantined:unbalanced_quote", "is_multiline=True"),
    (_LONG, "quarantined:too_long", "expected at most 1048576 bytes; got 1048582"),
    (b"7,a,,1899-12-31,,", "quarantined:out_of_range:day", "from 1900-01-01 and before 2100-01-01"),
    (b"7,a,,9999-12-31,,", "quarantined:out_of_range:day", "got '9999-12-31'"),
    (b"7,a,,2100-01-01,,", "quarantined:out_of_range:day", ""),
    (b"8,a,,,2024-10-27T01:30:00,", "quarantined:timezone:at", "with Z or an offset"),
    (b'9,"a"b",",,,,', "quarantined:stray_quote", "quotes inside it doubled"),
    (b"9" * 30_000 + b"," * 30_000, "quarantined:field_count", "expected 6 fields; got 30001"),
    (b"11,00501,0.10,1900-01-01,9999-12-31T23:59:59.999999Z,9007199254740993", "kept", ""),
    (b"12,=cmd|' /C calc'!A0,,,,", "kept", ""),
    (b"13,<script>x</script>,,,,", "kept", ""),
    (b"14,NULL,,,,", "kept", ""),
    (b'15,"",,,,', "kept", ""),
    (b'16,5" by 3" pipe,,,,', "kept", ""),
    (b"10,Zo\xc3\xab" + b",1" + b",2024-01-02" + _AT, "kept", ""),
]


def _parse(spark: SparkSession, paths: list[Path], said: Source) -> DataFrame:
    files, _ = inspect_files("d", said, paths)
    return parse_records(read_records(spark, said, files), said)


@pytest.fixture(scope="module")
def marked(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory) -> DataFrame:
    path = write(tmp_path_factory.mktemp("rides") / "all.csv", *[line for line, _, _ in _LINES])
    return _parse(spark, [path], source())


@pytest.mark.proves("F32")
@pytest.mark.proves("B1", "B2", "B3", "B4", "B5", "B6", "B9", "B16", "B17", "B20", "B25", "B26")
@pytest.mark.proves("B27", "B28", "B39", "B40")
def test_each_line_has_its_fate_at_its_line_number(marked: DataFrame) -> None:
    found = {row["_source_position"]: row["_fate"] for row in marked.collect()}
    assert found == {2 + i: fate for i, (_, fate, _) in enumerate(_LINES)}


def test_a_quarantined_line_is_kept_as_it_came_with_what_was_expected(
    spark: SparkSession, marked: DataFrame
) -> None:
    explained = explain_settled(spark, marked, source(), Taken())
    dated = mark_outside(explained, source(), None)
    said = {row["position"]: row for row in quarantined(dated).collect()}
    bad = {2 + i: item for i, item in enumerate(_LINES) if item[1].startswith("quarantined:")}
    assert said.keys() == bad.keys()
    for position, (line, fate, detail) in bad.items():
        row = said[position]
        assert (row["rule"], row["source_file"]) == (fate.partition(":")[2], "all.csv")
        assert detail in row["detail"]
        expected = line.decode(errors="replace")
        assert row["raw"] == (expected[:1000] if row["rule"] == "too_long" else expected)


@pytest.mark.proves("B15", "B24", "B25", "B42", "B45")
def test_good_cells_have_the_contract_s_types(marked: DataFrame) -> None:
    kept = marked.where("_fate = 'kept'").selectExpr(
        "ride_id", "name", "fare", "string(day)", "string(at)", "phone"
    )
    assert [tuple(row) for row in kept.collect()] == [
        (1, "Ann", 2.5, "2024-01-02", "2024-01-02 10:00:00", 5),
        (2, 'a, "b"', None, None, None, None),
        (3, " Bob ", 1.5, "2024-01-02", "2024-01-02 09:00:00", None),
        (4, None, -1000.0, "2024-02-29", "2024-01-02 10:00:00.5", 2**63 - 1),
        (11, "00501", 0.1, "1900-01-01", "9999-12-31 23:59:59.999999", 9007199254740993),
        (12, "=cmd|' /C calc'!A0", None, None, None, None),
        (13, "<script>x</script>", None, None, None, None),
        (14, "NULL", None, None, None, None),
        (15, None, None, None, None, None),
        (16, '5" by 3" pipe', None, None, None, None),
        (10, "Zoë", 1.0, "2024-01-02", "2024-01-02 10:00:00", 5),
    ]


@pytest.mark.proves("B19", "B21")
@pytest.mark.parametrize("end", [b"\n", b"\r\n", b"\r"])
def test_line_ends_marks_and_gzip_are_no_matter(
    end: bytes, spark: SparkSession, tmp_path: Path
) -> None:
    path = write(tmp_path / "we ird[1]%20.csv.gz", GOOD, b"2,,,,,", end=end)
    path.write_bytes(gzip.compress(b"\xef\xbb\xbf" + path.read_bytes()))
    rows = _parse(spark, [path], source()).collect()
    assert [(r["ride_id"], r["_source_file"], r["_source_position"], r["_fate"]) for r in rows] == [
        (1, path.name, 2, "kept"),
        (2, path.name, 3, "kept"),
    ]


def test_positions_are_line_numbers_however_spark_cuts_the_file(
    spark: SparkSession, tmp_path: Path
) -> None:
    paths = [
        write(
            tmp_path / f"{name}.csv", *[b"%d,%s,,,," % (i, b"x" * (i % 50)) for i in range(2, 602)]
        )
        for name in ("a", "b")
    ]
    (tmp_path / "b.csv").write_bytes((tmp_path / "b.csv").read_bytes() + b"602,,,,,")
    spark.conf.set("spark.sql.files.maxPartitionBytes", "1000")
    try:
        rows = _parse(spark, paths, source())
        assert rows.rdd.getNumPartitions() > 10
        found = sorted(
            (r["_source_file"], r["_source_position"], r["ride_id"]) for r in rows.collect()
        )
    finally:
        spark.conf.unset("spark.sql.files.maxPartitionBytes")
    expected = [("a.csv", i, i) for i in range(2, 602)] + [("b.csv", i, i) for i in range(2, 603)]
    assert found == expected


@pytest.mark.proves("B7")
def test_a_quoted_line_end_is_read_where_the_contract_says_so(
    spark: SparkSession, tmp_path: Path
) -> None:
    lines = (b'1,"one\ntwo, ""x""",2.5,,,', b"", b"2,b", b"3,NA,x,,,", b"4,M\xe4x,,,,", GOOD)
    lines += (b'5,"5"" pipe",,,,', b'6, 3" pipe ,,,,')
    path = write(tmp_path / "a.csv", *lines)
    rows = _parse(spark, [path], source(is_multiline=True)).collect()
    assert [(r["_source_position"], r["_fate"], r["name"]) for r in rows] == [
        (2, "kept", 'one\ntwo, "x"'),
        (3, "quarantined:field_count", None),
        (4, "quarantined:type:fare", None),
        (5, "quarantined:encoding", "M\ufffdx"),
        (6, "kept", "Ann"),
        (7, "kept", '5" pipe'),
        (8, "kept", ' 3" pipe '),
    ]
    assert [r["_raw"] for r in rows if r["_source_position"] in (2, 7, 8)] == [
        '1,"one\ntwo, ""x""",2.5,,,',
        '5,"5"" pipe",,,,',
        '6," 3"" pipe ",,,,',
    ]


@pytest.mark.proves("B20")
def test_a_nul_in_quotes_is_neither_dropped_nor_read_as_a_quote(
    spark: SparkSession, tmp_path: Path
) -> None:
    lines = (b'1,"\0\n",2.5,,,', b'2,"q""\0""r",2.5,,,', b'3,"x\0""y",2.5,,,', GOOD)
    path = write(tmp_path / "a.csv", *lines)
    rows = _parse(spark, [path], source(is_multiline=True)).collect()
    fates = [r["_fate"] for r in rows]
    assert fates == ["quarantined:control_character"] * 3 + ["kept"]


@pytest.mark.proves("B29")
def test_a_session_that_may_read_half_a_damaged_file_is_not_asked_to(
    spark: SparkSession, tmp_path: Path
) -> None:
    path = write(tmp_path / "a.csv", GOOD, b"2,,,,,")
    files, _ = inspect_files("d", source(), [path])
    path.unlink()
    gone = [replace(files[0], num_rows=-1)]
    for name in ("ignoreCorruptFiles", "ignoreMissingFiles"):
        spark.conf.set(f"spark.sql.files.{name}", "true")
    try:
        with pytest.raises(Exception, match="does not exist"):
            read_records(spark, source(), gone)
        half = gzip.compress(b"".join(b"%d,,,,,\n" % i for i in range(20_000)))[:-30_000]
        packed = tmp_path / "b.csv.gz"
        packed.write_bytes(half)
        damaged = [replace(files[0], name=packed.name, path=str(packed))]
        with pytest.raises(Py4JJavaError, match="FAILED_READ_FILE"):
            read_records(spark, source(), damaged)
    finally:
        for name in ("ignoreCorruptFiles", "ignoreMissingFiles"):
            spark.conf.unset(f"spark.sql.files.{name}")


@pytest.mark.proves("B8")
def test_a_file_that_spark_reads_otherwise_than_it_was_counted_is_an_error(
    spark: SparkSession, tmp_path: Path
) -> None:
    files, _ = inspect_files("d", source(), [write(tmp_path / "a.csv", GOOD, b"2,,,,,")])
    for num_rows in (1, 3):
        planted = [replace(files[0], num_rows=num_rows)]
        with pytest.raises(LedgerError, match=rf"a\.csv: expected {num_rows} rows.*Spark read 2"):
            read_records(spark, source(), planted)


def test_another_delimiter_and_an_empty_text_that_is_no_null(
    spark: SparkSession, tmp_path: Path
) -> None:
    said = source(delimiter="|", null_values=("NA",))
    path = tmp_path / "a.csv"
    path.write_bytes(
        b'ride_id|name|fare|day|at|phone\n1||NA|NA|NA|NA\n2|"|"|NA|NA|NA|NA\n3||||NA|NA\n'
    )
    rows = _parse(spark, [path], said).collect()
    assert [(r["name"], r["_fate"]) for r in rows] == [
        ("", "kept"),
        ("|", "kept"),
        ("", "quarantined:type:fare"),
    ]
