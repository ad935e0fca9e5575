"""Lines whose quotes are text, in UTF-8 or in ISO 8859-1."""

from pathlib import Path

import pytest
from pyspark.sql import SparkSession

import pipelines.ingest as module
from pipelines.ingest import IngestParams, run
from pipelines.tables.delta import read_table
from pipelines.tables.version import parse_version
from schemas.contract import Column, ContractError
from schemas.leakage import check_contract
from tests.pipelines.sources.rides import source, spec

LINES = source(
    columns=(Column("key", "string"), Column("text", "string")),
    content_key="key",
    primary_key=("key",),
    version_by=(),
    has_header=False,
    has_quotes=False,
    encoding="latin-1",
    delimiter="\t",
    max_malformed_share=0.5,
)


def test_quotes_are_text_and_bytes_that_are_no_utf8_are_latin_1(
    spark: SparkSession, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "dataset", lambda _: spec(LINES))
    file = tmp_path / "texts.txt"
    # 0x85 ends a line for Python's splitlines, but not here
    file.write_bytes(b'\xe9t\xe9, "quoted\nit \x85 goes on "\nna\xc3\xafve\none\ttwo\n\n"a" ""b\n')
    made = run(spark, IngestParams("rides", str(tmp_path / "lake"), (f"rides={file}",)))
    fates = made.rows["rides"]
    assert (fates.read, fates.kept) == (6, 4)
    assert (fates.quarantined, fates.filtered) == ({"field_count": 1}, {"blank": 1})
    texts = {row.text for row in read_table(spark, parse_version(made.tables[0])).collect()}
    assert texts == {'été, "quoted', 'it \x85 goes on "', "naïve", '"a" ""b'}


def test_records_of_several_lines_are_in_quotes_and_in_utf8() -> None:
    wrong = source(is_multiline=True, has_quotes=False)
    with pytest.raises(ContractError, match="is_multiline takes cells in quotes, in UTF-8"):
        check_contract(spec(wrong))
