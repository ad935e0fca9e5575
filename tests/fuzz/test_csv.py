"""The CSV road end to end on drawn files: every row has the fate that the contract's words give it.

Drawing and reading are apart: Hypothesis draws many files, one ingest reads them all.
"""

from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from pyspark.sql import SparkSession

import pipelines.ingest
from pipelines.errors import ContractError
from pipelines.ingest import IngestParams, run
from pipelines.sources.inspect_files import inspect_files
from pipelines.tables.records import read_records
from pipelines.tables.version import parse_version
from schemas.contract import Source
from tests.fuzz.csv_oracle import SOURCE, Fate, differences, line_fates, record_fates
from tests.pipelines.sources.rides import COLUMNS, HEADER, spec

_GOOD = ("1", "Ann", "2.5", "2024-01-02", "2024-01-02T10:00:00Z", "5")
_ODD = (
    "", " ", "NA", " NA ", "nan", "-inf", "Infinity", "1e400", "1e5", ".5", "5.", "1d", "0x1p3",
    "1_000", "1,5", "+4", "-0", "00501", "2147483647", "2147483648", "-2147483648",
    "9223372036854775808", "9007199254740993", "2024-02-29", "2023-02-29", "2024-13-01", "2024-1-2",
    "0000-01-01", "9999-12-31", "2024-01-02\u2028", "2024-03-31T02:30:00", "2024-01-02T25:00:00Z",
    "2024-01-02 10:00:00+01:00", "2024-01-02T10:00:00.123456-18:00", "2024-01-02T10:00:00+19:00",
    "2024-01-02T10:00:60Z", "2024-01-02T10:00Z", "1899-12-31T23:59:59.999999Z", "=cmd|' /C'!A0",
    "<b>", "Zo\u00eb", "\u0661", "\ufffd", "\x00", "\x1b", "a\tb", "\t4", "x" * 300, "\\", '\\"',
    "\U0001f600", "\ufeff",
)  # fmt: skip
_cells = st.one_of(
    st.sampled_from(_ODD), st.text(max_size=8), st.text('"",;\\ \t', max_size=6), st.integers(-9, 9)
)
_ENDS = (b"\n", b"\r\n", b"\r")


@st.composite
def _rows(draw: st.DrawFn, delimiter: str, *, is_multiline: bool) -> bytes:
    """One row: a good one with some cells changed, sometimes with other cells or plain bytes."""
    kind = draw(st.integers(0, 11))
    if kind == 0 and not is_multiline:
        return draw(st.binary(max_size=12)).replace(b"\n", b"").replace(b"\r", b"")
    if kind == 1:
        return draw(st.sampled_from([b"", b"  ", b",,,,,", b",,,"]))
    cells: list[str] = list(_GOOD)
    cells[0] = str(draw(st.integers(1, 10**6)))
    for place in draw(st.lists(st.integers(0, len(COLUMNS) - 1), max_size=2)):
        cells[place] = str(draw(_cells))
    if is_multiline:
        cells[1] += draw(st.sampled_from(["", "\n", "\r\nx", '"', "\n,", "\n\n2,b"]))
    cells = cells[:-1] if kind == 2 else [*cells, "x"] if kind == 3 else cells
    return delimiter.join(
        _written(draw, cell, delimiter, is_multiline=is_multiline) for cell in cells
    ).encode("latin-1" if kind == 4 else "utf-8", errors="replace")


def _written(draw: st.DrawFn, cell: str, delimiter: str, *, is_multiline: bool) -> str:
    if not is_multiline:
        cell = cell.replace("\n", "").replace("\r", "")
        if draw(st.integers(0, 4)) == 0:
            return cell
    needs = {*'"\r\n'} & {*cell} or delimiter in cell or draw(st.booleans())
    return '"' + cell.replace('"', '""') + '"' if needs else cell


@st.composite
def _files(draw: st.DrawFn, delimiter: str = ",", *, is_multiline: bool = False) -> bytes:
    end = draw(st.sampled_from(_ENDS if not is_multiline else _ENDS[:2]))
    rows = draw(st.lists(_rows(delimiter, is_multiline=is_multiline), min_size=1, max_size=6))
    mark = draw(st.sampled_from([b"", b"", b"\xef\xbb\xbf"]))
    header = HEADER.replace(b",", delimiter.encode())
    return mark + end.join((header, *rows)) + draw(st.sampled_from([b"", end]))


def _draw(strategy: st.SearchStrategy[bytes], count: int) -> list[bytes]:
    found: list[bytes] = []

    @settings(
        max_examples=count, derandomize=True, database=None, deadline=None, phases=[Phase.generate],
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
    )  # fmt: skip
    @given(strategy)
    def collect(item: bytes) -> None:
        found.append(item)

    collect()
    return list(dict.fromkeys(found))


def _land(contents: list[bytes], said: Source, folder: Path) -> dict[str, bytes]:
    """Write the files that an inspection lets pass; every other refusal is a clear one."""
    folder.mkdir()
    kept: dict[str, bytes] = {}
    for number, content in enumerate(contents):
        path = folder / f"{number:05d}.csv"
        path.write_bytes(content)
        refusal = _refusal(said, path)
        assert not refusal or refusal.startswith(f"rides: source rides: {path}")
        if refusal:
            path.unlink()
        else:
            kept[path.name] = content
    return kept


def _refusal(said: Source, path: Path) -> str:
    try:
        inspect_files("rides", said, [path])
    except ContractError as error:
        return str(error)
    return ""


def _ingested(
    spark: SparkSession, said: Source, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> tuple[Counter[str], dict[str, dict[int, Fate]]]:
    monkeypatch.setattr(pipelines.ingest, "dataset", lambda _: spec(said))
    params = IngestParams("rides", str(tmp_path / "lake"), (f"rides={tmp_path / 'files'}",))
    made = run(spark, params)
    fates = made.rows["rides"]
    assert fates.unexplained == 0
    found: dict[str, dict[int, Fate]] = {}
    for row in read_records(Path(parse_version(made.tables[0]).path)):
        values = tuple(row[column.name] for column in COLUMNS)
        found.setdefault(row["_source_file"], {})[row["_source_position"]] = Fate("kept", values)
    for row in read_records(tmp_path / "lake" / "rides" / "quarantine"):
        places = found.setdefault(row["source_file"], {})
        assert row["position"] not in places
        places[row["position"]] = Fate(row["rule"])
    totals = Counter({"kept": fates.kept, "blank": fates.filtered.get("blank", 0)}) + Counter(
        fates.quarantined
    )
    return totals, found


def _check(
    wanted: dict[str, dict[int, Fate]],
    contents: dict[str, bytes],
    came: tuple[Counter[str], dict[str, dict[int, Fate]]],
) -> None:
    totals, found = came
    wrong = [
        f"{contents[name]!r}: {said}"
        for name, fates in wanted.items()
        for said in differences(
            {place: fate for place, fate in fates.items() if fate.word != "blank"},
            found.get(name, {}),
        )
    ]
    assert not wrong, f"{len(wrong)} rows differ:\n" + "\n".join(wrong[:25])
    counted = Counter(fate.word for fates in wanted.values() for fate in fates.values())
    assert {word: n for word, n in totals.items() if word != "blank"} == {
        word: n for word, n in counted.items() if word != "blank"
    }


_CASES = [("lines", ",", 60), ("records", ",", 60)]
_MANY = [("lines", ",", 2000), ("lines", "||", 1000), ("lines", ".", 1000), ("records", ";", 2000)]


@pytest.mark.parametrize(
    "case", [*_CASES, *[pytest.param(case, marks=pytest.mark.slow) for case in _MANY]], ids=str
)
def test_each_row_of_a_drawn_file_has_the_fate_that_the_contract_gives_it(
    case: tuple[str, str, int], spark: SparkSession, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kind, delimiter, count = case
    is_multiline = kind == "records"
    said = replace(SOURCE, delimiter=delimiter, is_multiline=is_multiline)
    contents = _draw(_files(delimiter, is_multiline=is_multiline), count)
    contents = _land(contents, said, tmp_path / "files")
    assert len(contents) > count // 3
    fates = record_fates if is_multiline else line_fates
    wanted = {name: fates(content, said) for name, content in contents.items()}
    kept = Counter(fate.word for some in wanted.values() for fate in some.values())
    assert len(kept) > 6
    _check(wanted, contents, _ingested(spark, said, tmp_path, monkeypatch))
