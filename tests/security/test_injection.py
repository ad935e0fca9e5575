"""Names and values that look like SQL: they are data, wherever they come from."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pytest
from pyspark.sql import SparkSession

from pipelines import deduplicate, ingest, trace, validate
from pipelines.deduplicate import DeduplicateParams
from pipelines.errors import ParameterError
from pipelines.ingest import IngestParams
from pipelines.loading.row_filter import check_filters, mask, parse_filter
from pipelines.step import StepResult
from pipelines.tables.version import parse_version
from pipelines.trace import TraceParams
from pipelines.validate import ValidateParams
from schemas.contract import (
    Check,
    Column,
    ContractError,
    DatasetSpec,
    HashSplit,
    Label,
    Source,
)
from schemas.leakage import check_contract

pytestmark = pytest.mark.proves("S14")

# quotes of Spark's SQL, of its names, of CSV doubled; comments, templates, patterns, JSON
NASTY = (
    "O'Brien",
    "'; DROP TABLE rides; --",
    "a\\' OR 1=1 /*",
    "`city`",
    "{batch}",
    "${jndi:x}",
    "%s%n{}",
    '"}, {"city": "',
    ".*",
)
SOURCE = Source(
    "rides",
    "package:none/rides.csv",
    (Column("ride_id", "long"), Column("city", "string", is_nullable=True)),
    primary_key=("ride_id",),
    version_by=("city",),
    null_values=("", "N'A", "it's `null`"),
    max_malformed_share=0.5,
    checks=(
        Check("in_set", ("city",), values=(*NASTY[:-1], "it's"), severity="quarantine", mostly=0.5),
        Check("matches", ("city",), pattern="^[^;]*'|[^']*$", severity="warning", reason="it's"),
        Check("sql", sql="city <> '''; DROP' AND city NOT LIKE '%{none}%'", reason="`why'"),
    ),
)
SPEC = DatasetSpec(
    "rides", "Rides", "Is it?", (SOURCE,), Label("is_b", "city = 'O''Brien'"),
    HashSplit(("ride_id",)),
)  # fmt: skip
FILE = 'ri\'des `of` "$(id)" [a-z]{1}*?#%20&x=1;--.csv'


@pytest.fixture(scope="module")
def ingested(
    spark: SparkSession, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Path, StepResult]]:
    """Rows with such values, in such a file, under such a folder."""
    folder = tmp_path_factory.mktemp("injection")
    cells = [*NASTY, "N'A", "it's `null`", "", "it's"]
    lines = [
        f'{number},"{cell.replace(chr(34), chr(34) * 2)}"' for number, cell in enumerate(cells)
    ]
    (folder / FILE).write_text("\n".join(["ride_id,city", *lines, "x'--,north"]) + "\n")
    root = folder / "la'ke `x`; --"
    with pytest.MonkeyPatch.context() as patch:
        for module in (ingest, deduplicate, validate, trace):
            patch.setattr(module, "dataset", lambda _: SPEC)
        place = f"rides={folder}"
        yield root, ingest.run(spark, IngestParams("rides", str(root), (place,)))


def test_values_come_through_as_they_are(
    spark: SparkSession, ingested: tuple[Path, StepResult]
) -> None:
    _, made = ingested
    table = parse_version(made.tables[0])
    rows = spark.read.format("delta").load(table.path).orderBy("ride_id").collect()
    # the last of NASTY is in no set, and was set aside
    assert [row["city"] for row in rows] == [*NASTY[:-1], None, None, None, "it's"]
    assert {row["_source_file"] for row in rows} == {FILE}
    assert sum(made.rows["rides"].quarantined.values()) == 2


def test_checks_and_their_pages_take_them_as_data(
    spark: SparkSession, ingested: tuple[Path, StepResult]
) -> None:
    root, made = ingested
    done = validate.run(spark, ValidateParams("rides", str(root), made.tables))
    (report,) = done.details["reports"]
    assert report["success"]
    broken = {check["rule"]: check for check in report["checks"] if not check["success"]}
    assert not any(check["error"] for check in report["checks"])
    assert set(broken) <= {"matches"}
    again = deduplicate.run(spark, DeduplicateParams("rides", str(root), made.tables))
    assert again.rows["rides"].kept == 12


@pytest.mark.parametrize("city", [NASTY[0], NASTY[1], "x' OR 'a'='a"])
def test_a_key_that_is_traced_is_compared_and_not_run(
    ingested: tuple[Path, StepResult], city: str
) -> None:
    root, _ = ingested
    found = trace.run(TraceParams("rides", str(root), (f"city={city}",)))
    assert found.tables[0]["num_rows"] == (city in NASTY)


@pytest.mark.parametrize("key", ["1=1", "city OR 1=1", "`city`=x", "ride_id=1 OR 1=1"])
def test_a_key_that_names_no_column_or_value_is_refused(
    ingested: tuple[Path, StepResult], key: str
) -> None:
    root, _ = ingested
    with pytest.raises(ParameterError, match="--key: expected"):
        trace.run(TraceParams("rides", str(root), (key,)))


def test_a_filter_compares_with_all_that_follows_its_sign() -> None:
    cities = pa.table({"city": [*NASTY, "x"]})
    for text in ("city = x' OR '1' = '1", "city = x; DROP TABLE rides"):
        wanted = [parse_filter(text)]
        check_filters(wanted, cities.schema, "rides")
        assert not mask(wanted, cities).any()
    wanted = [parse_filter(f"city = {NASTY[1]}")]
    assert mask(wanted, cities).tolist() == [name == NASTY[1] for name in [*NASTY, "x"]]
    for text in ("1=1 OR city = x", "`city` = x", "city; DROP = x"):
        with pytest.raises(ParameterError):
            check_filters([parse_filter(text)], cities.schema, "rides")


@pytest.mark.parametrize(
    "name", ["city`; DROP TABLE x", "ci'ty", "a.b", "../city", "city\n", "", "_city", "cityé"]
)
def test_a_name_that_is_more_than_letters_is_refused(name: str) -> None:
    column = Column(name, "string", is_nullable=True)
    wrong = [
        replace(SPEC, sources=(replace(SOURCE, columns=(*SOURCE.columns, column)),)),
        replace(SPEC, sources=(replace(SOURCE, name=name),)),
        replace(SPEC, label=replace(SPEC.label, name=name)),
    ]
    for spec in wrong:
        with pytest.raises(ContractError, match="expected letters, digits and _"):
            check_contract(spec)
