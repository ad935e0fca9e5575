"""Read every source of a data set into raw tables; set malformed rows aside with their reasons.

All files of all sources are found, inspected and parsed before the first table is written: a source
that breaks its contract leaves everything as it was. Text is parsed once, into a scratch folder of
Parquet files; the tables are written from there.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from pyspark.sql import DataFrame, Observation, SparkSession
from pyspark.sql import functions as F

from pipelines.cli import param
from pipelines.errors import ContractError
from pipelines.layout import Layout
from pipelines.quality.riding import riding
from pipelines.quality.set_aside import check_shares, mark_broken
from pipelines.sources.inspect_files import SourceFile, inspect_files
from pipelines.sources.locate import locate, read_places
from pipelines.sources.malformed import count_malformed, first_reasons
from pipelines.sources.parse import (
    BLANK,
    QUARANTINED,
    REASON,
    parse_records,
)
from pipelines.sources.replays import DISCARDED, REPLAYED, Taken, take_replays
from pipelines.sources.settle import OPEN, ORIGIN_ABSENT, SETTLED, explain_settled, quarantined
from pipelines.sources.text import read_records
from pipelines.spark.concurrent import map_tables
from pipelines.spark.scratch import keep_rows, scratch_folder
from pipelines.step import FATE, Fates, StepKey, StepResult, once, step_key
from pipelines.tables.delta import is_standing
from pipelines.tables.ledger import Target, Written, check_fates, write_kept
from pipelines.tables.ledger_table import account_for
from pipelines.tables.quarantine import broken_rows, write_quarantine
from pipelines.tables.version import TableVersion, parse_version
from schemas.catalog import dataset
from schemas.contract import DatasetSpec, Source
from schemas.derive import table_spec

STEP = "ingest"
_CLOSED = (f"filtered:{REPLAYED}", f"filtered:{DISCARDED}")


@dataclass(frozen=True, slots=True)
class IngestParams:
    """Read the sources of a data set into raw tables, one each, and quarantine malformed rows."""

    dataset: str = param("Data set, a contract in schemas/")
    root: str = param("Folder that holds all tables and files")
    sources: tuple[str, ...] = param("Other places of sources: NAME=file, folder or glob", ())


@dataclass(frozen=True, slots=True)
class _Input:
    """Files of one source, and what was mended by hand of their rows."""

    own: tuple[SourceFile, ...]
    taken: Taken

    @property
    def files(self) -> tuple[SourceFile, ...]:
        return (*self.own, *self.taken.files)

    def decides(self) -> list[Any]:
        """What of it decides the result."""
        return [[(file.name, file.digest) for file in self.own], self.taken.decides()]


@dataclass(frozen=True, slots=True)
class _Checked:
    """One source after parsing: its rows with their fates, its malformed ones, what to expect."""

    source: Source
    files: tuple[SourceFile, ...]
    parsed: DataFrame
    malformed: DataFrame
    num_open: int
    fates: tuple[str, ...]


def run(spark: SparkSession, params: IngestParams) -> StepResult:
    """Ingest one data set; a repeated run on the same files gives the recorded result.

    Raises:
        ContractError: A file is missing or not as the contract says, or too many of its rows are
            malformed. Nothing was written.
        ParameterError: ``sources`` names an unknown source or a place without files.
        LedgerError: Spark read other rows than the files hold, or rows by fate do not add up.
    """
    spec, layout = dataset(params.dataset), Layout(params.root, params.dataset)
    places = read_places(spec, params.sources)
    inputs: dict[str, _Input] = {}
    repeated: list[str] = []
    for source in spec.sources:
        found = locate(spec.name, source, places.get(source.name, ()), layout.landing)
        files, left_out = inspect_files(spec.name, source, found)
        taken = take_replays(spec.name, source, layout.replays(source.name), files)
        inputs[source.name] = _Input(files, taken)
        repeated += left_out
    digests = {name: item.decides() for name, item in inputs.items()}
    key = step_key(STEP, layout, spec.fingerprint(), digests)
    made = once(key, lambda: _ingest(spark, spec, key, inputs), _has_tables)
    account_for(made, layout)
    return replace(made, details={**made.details, "same_bytes_left_out": repeated})


def _ingest(
    spark: SparkSession, spec: DatasetSpec, key: StepKey, inputs: dict[str, _Input]
) -> StepResult:
    with scratch_folder(key.layout.scratch(STEP, key.fingerprint)) as folder:
        checked = map_tables(
            spark,
            lambda source: _check(spark, spec, source, inputs[source.name], folder / source.name),
            spec.sources,
        )
        written = map_tables(spark, lambda item: _write(item, spec, key), checked)
        quarantine = _write_quarantine(spark, checked, written, key)
    details: dict[str, Any] = {
        "quarantine": str(quarantine),
        "files": {name: [asdict(file) for file in it.files] for name, it in inputs.items()},
    }
    made = {item.source.name: table for item, table in zip(checked, written, strict=True)}
    for name, item in made.items():
        check_shares(str(item.table), item.fates, table_spec(spec, "raw", name))
    return StepResult(
        STEP,
        spec.name,
        key.fingerprint,
        tuple(str(item.table) for item in written),
        {name: item.fates for name, item in made.items()},
        details=details,
        numbers={name: item.numbers for name, item in made.items()},
    )


def _check(
    spark: SparkSession, spec: DatasetSpec, source: Source, given: _Input, scratch: Path
) -> _Checked:
    marked = parse_records(read_records(spark, source, given.files), source)
    words = {"kept": "kept", "blank": BLANK, "absent": ORIGIN_ABSENT}
    counts = [F.count_if(F.col(FATE) == word).alias(name) for name, word in words.items()]
    observation = Observation()
    explained = explain_settled(spark, marked, source, given.taken).observe(observation, *counts)
    parsed = keep_rows(explained, scratch)
    malformed = quarantined(parsed)
    title = f"{spec.name}: source {source.name}"
    by_rule = count_malformed(title, source, given.files, malformed)
    seen = observation.get
    num_skipped = sum(file.num_skipped for file in given.files)
    num_read = sum(seen.values()) + by_rule.total() + num_skipped
    # as fates, so that a difference is said as everywhere: here it is before a table is written
    read = Fates(read=num_read, kept=num_read)
    check_fates(title, read, num_input=sum(file.num_rows for file in given.files))
    by_status = Counter({OPEN: 0})
    for (status, _), count in by_rule.items():
        by_status[status] += count
    if not seen["kept"]:
        raise ContractError(
            f"{title}: expected good rows; none of {[file.name for file in given.files]} is: "
            f"{by_status[OPEN]} malformed, {seen['blank']} blank{first_reasons(malformed)}. Give "
            f"another file by --sources {source.name}=PATH; nothing was written"
        )
    rules = sorted({QUARANTINED + rule for status, rule in by_rule if status == OPEN})
    fates = (BLANK, ORIGIN_ABSENT, *_CLOSED, *rules)
    return _Checked(source, given.files, parsed, malformed, by_status[OPEN], fates)


def _write(item: _Checked, spec: DatasetSpec, key: StepKey) -> Written:
    target = Target(key.layout.table("raw", item.source.name), key.fingerprint)
    contract = table_spec(spec, "raw", item.source.name)
    rows, broken = mark_broken(item.parsed.drop(REASON, SETTLED), contract)
    written = write_kept(rows, target, (*item.fates, *broken), riding(contract, rows))
    fates = written.fates
    num_skipped = sum(file.num_skipped for file in item.files)
    if num_skipped:
        # empty lines between records of several lines: Spark's reader passes over them
        blank = BLANK.partition(":")[2]
        filtered = {**fates.filtered, blank: fates.filtered.get(blank, 0) + num_skipped}
        fates = replace(fates, read=fates.read + num_skipped, filtered=filtered)
    check_fates(str(written.table), fates, num_input=sum(file.num_rows for file in item.files))
    return replace(written, fates=fates)


def _write_quarantine(
    spark: SparkSession, checked: Sequence[_Checked], written: Sequence[Written], key: StepKey
) -> TableVersion:
    """Keep malformed rows as the text they came in, and those that break a check as they are."""
    parts: list[tuple[str, DataFrame]] = []
    for item, made in zip(checked, written, strict=True):
        parts.append((item.source.name, item.malformed))
        if sum(made.fates.quarantined.values()) > item.num_open:
            contract = table_spec(dataset(key.layout.dataset), "raw", item.source.name)
            good = item.parsed.where(F.col(FATE) == "kept").drop(REASON, SETTLED)
            parts.append((item.source.name, broken_rows(mark_broken(good, contract)[0])))
    num_expected = sum(
        sum(made.fates.quarantined.values())
        + sum(made.fates.filtered.get(status, 0) for status in (REPLAYED, DISCARDED))
        for made in written
    )
    return write_quarantine(spark, parts, key, num_expected)


def _has_tables(result: StepResult) -> bool:
    pinned = (*result.tables, result.details["quarantine"])
    return all(is_standing(parse_version(text)) for text in pinned)
