"""Published files, files without a header, keys of content and given splits are said rightly."""

from dataclasses import replace
from typing import Any

import pytest

from schemas.contract import Column, ContractError, DatasetSpec, GivenSplit, PublicFile
from schemas.leakage import check_contract
from tests.pipelines.sources.rides import COLUMNS, source, spec

DIGEST = "0" * 64
FILE = PublicFile("rides.csv", DIGEST, 1)
ORIGIN = "https://example.org/rides"


def _published(*files: PublicFile, origin: str = ORIGIN) -> DatasetSpec:
    return replace(spec(), files=files, origin=origin)


def _read(**changes: Any) -> DatasetSpec:
    return spec(source(**changes))


KEY = Column("key", "string")
WRONG = [
    (_published(FILE, FILE), "names come twice: .'rides.csv'."),
    (_published(replace(FILE, name="../x")), "plain names, no paths; got .'../x', '../x'."),
    (_published(replace(FILE, archive="a/b.gz")), "plain names, no paths; got .'a/b.gz'."),
    (_published(replace(FILE, name="_x")), "plain names"),
    (_published(replace(FILE, sha256="0" * 63)), "SHA-256 of 64 digits"),
    (_published(replace(FILE, sha256="G" * 64)), "SHA-256 of 64 digits"),
    (_published(replace(FILE, num_bytes=0)), "a size above 0; got 0"),
    (_published(replace(FILE, archive="x.rar")), r"an archive \.gz or \.zip; got 'x\.rar'"),
    (_published(replace(FILE, archive="x.zip")), r"a \.zip, and nothing else, has a member"),
    (_published(replace(FILE, archive="x.gz", member="x")), "has a member; got 'x'"),
    (_published(FILE, origin=""), "it names no origin"),
    (_published(FILE, origin="http://example.org"), "an address like https://"),
    (_read(location="fetched:rides/rides.csv"), r"expected fetched:rides/NAME, NAME of \[\]"),
    (_read(location=("package:a/b", "fetched:x/../y")), "'fetched:x/../y': expected fetched:rides"),
    (_read(content_key="key"), "content_key 'key' among the columns"),
    (_read(content_key="fare"), "content_key 'fare' among the columns, a string"),
    (_read(columns=(*COLUMNS, Column("a", "int", header="fare"))), "header come twice: .'fare'."),
    (_read(columns=(KEY,), content_key="key", primary_key=("key",), version_by=()),
     "needs a column"),
    (replace(spec(), split=GivenSplit(("a",), ())), "files to train and to test on"),
    (replace(spec(), split=GivenSplit(("a",), ("a",))), "each named once; got .'a', 'a'."),
    (replace(spec(), split=GivenSplit(("a",), ("b",))), "files for validation, or columns"),
    (replace(spec(), split=GivenSplit(("a",), ("b",), columns=("ride_id",), validation_share=1.0)),
     "a share between 0 and 1"),
    (replace(spec(), split=GivenSplit(("a",), ("b",), columns=("no",))), "names no columns .'no'."),
]  # fmt: skip


@pytest.mark.parametrize(("wrong", "message"), WRONG)
def test_what_cannot_be_meant_is_said(wrong: DatasetSpec, message: str) -> None:
    with pytest.raises(ContractError, match=message):
        check_contract(wrong)


def test_what_is_meant_is_taken() -> None:
    zipped = replace(FILE, name="b.csv", archive="b.zip", member="folder/b.csv")
    gzipped = replace(FILE, name="c.csv", archive="c.csv.gz")
    check_contract(_published(FILE, zipped, gzipped))
    there = source(location=("fetched:rides/rides.csv", "fetched:rides/b.csv"))
    check_contract(replace(_published(FILE, zipped), sources=(there,)))
    keyed = source(
        columns=(KEY, *COLUMNS), content_key="key", primary_key=("key",), has_header=False
    )
    assert [column.name for column in keyed.file_columns] == [column.name for column in COLUMNS]
    check_contract(replace(spec(keyed), split=GivenSplit(("a",), ("b",), columns=("key",))))


def test_where_files_are_had_from_does_not_change_what_they_become() -> None:
    assert _published(FILE).fingerprint() == spec().fingerprint()
    assert _read(has_header=False).fingerprint() != spec().fingerprint()
