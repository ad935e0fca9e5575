"""Read every source of a data set into raw tables; set malformed rows aside with their reasons.

All files of all sources are found, inspected and parsed before the first table is written: a source
that breaks its contract leaves everything as it was. Text is parsed once, into a scratch folder of
Parquet files; the tables are written from there. By interval, a run replaces one part of the tables
whose source says how, see infra/decisions/0026-intervals-and-maintenance.md.
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
from pipelines.sources.contents import read_source
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
from pipelines.sources.settle import (
    EVENT_TIME,
    OPEN,
    ORIGIN_ABSENT,
    OUTSIDE,
    SETTLED,
    explain_settled,
    quarantined,
)
from pipelines.sources.span import dated_sources, mark_outside, parse_span
from pipelines.spark.concurrent import map_tables
from pipelines.spark.scratch import keep_rows, scratch_folder
from pipelines.step import FATE, Fates, StepKey, StepResult, once, step_key
from pipelines.storage.copies import local_files
from pipelines.tables.by_interval import BY_INTERVAL, INTERVAL, is_current
from pipelines.tables.delta import is_standing
from pipelines.tables.ledger import Target, Written, check_fates, write_kept
from pipelines.tables.ledger_table import account_for
from pipelines.tables.live_files import is_whole
from pipelines.tables.part import Slice, require_part
from pipelines.tables.quarantine import broken_rows, with_origin, write_quarantine
from pipelines.tables.version import TableVersion, parse_version
from schemas.catalog import dataset
from schemas.contract import DatasetSpec, Source
from schemas.derive import table_spec
from schemas.interval import Span

STEP = "ingest"
_CLOSED = (f"filtered:{REPLAYED}", f"filtered:{DISCARDED}")


@dataclass(frozen=True, slots=True)
class IngestParams:
    """Read the sources of a data set into raw tables, one each, and quarantine malformed rows."""

    dataset: str = param("Data set, a contract in schemas/")
    root: str = param("Folder that holds all tables and files")
    sources: tuple[str, ...] = param("Other places of sources: NAME=file, folder or glob", ())
    interval_start: str = param(
        "Read and replace only rows from this time on, of sources with an interval in the contract "
        "(others are written whole); ISO 8601, UTC if it has no offset. Needs --interval-end",
        "",
    )
    interval_end: str = param("And before this time. Needs --interval-start", "")


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
class _Asked:
    """What one run is about: the data set, what of its tables is replaced, and the run's name.

    ``places`` are those that it was given for its sources.
    """

    spec: DatasetSpec
    slice: Slice
    key: StepKey
    places: tuple[str, ...]

    @property
    def span(self) -> Span | None:
        """The interval; None for all."""
        return self.slice.span


@dataclass(frozen=True, slots=True)
class _Checked:
    """One source after parsing: its rows with their fates, its malformed ones, what to expect."""

    source: Source
    files: tuple[SourceFile, ...]
    parsed: DataFrame
    malformed: DataFrame
    num_open: int
    fates: tuple[str, ...]
    num_kept: int


def run(spark: SparkSession, params: IngestParams) -> StepResult:
    """Ingest one data set; a repeated run on the same files gives the recorded result.

    Raises:
        ContractError: A file is missing or not as the contract says, or too many of its rows are
            malformed. Nothing was written.
        ParameterError: ``sources`` names an unknown source or a place without files; or the
            interval is none that the contract's sources can be written by.
        LedgerError: Spark read other rows than the files hold, or rows by fate do not add up.
    """
    layout = Layout(params.root, params.dataset)
    # what is unpacked or was mended is read from a local disk, wherever the tables go
    with local_files(layout.landing, ()) as landing, local_files(layout.all_replays) as replays:
        return _run(spark, params, landing, replays)


def _run(spark: SparkSession, params: IngestParams, landing: Path, replays: Path) -> StepResult:
    spec, layout = dataset(params.dataset), Layout(params.root, params.dataset)
    span = parse_span(spec, params.interval_start, params.interval_end)
    places = read_places(spec, params.sources)
    inputs: dict[str, _Input] = {}
    repeated: list[str] = []
    for source in spec.sources:
        found = locate(spec.name, source, places.get(source.name, ()), landing)
        files, left_out = inspect_files(spec.name, source, found)
        taken = take_replays(spec.name, source, replays / source.name, files)
        inputs[source.name] = _Input(files, taken)
        repeated += left_out
    digests = {name: item.decides() for name, item in inputs.items()}
    said = (str(span),) if span else ()
    key = step_key(STEP, layout, spec.fingerprint(), digests, *said)
    asked = _Asked(spec, Slice(span), key, params.sources)
    made = once(key, lambda: _ingest(spark, asked, inputs), lambda known: _is_done(known, asked))
    account_for(made, layout)
    return replace(made, details={**made.details, "same_bytes_left_out": repeated})


def _ingest(spark: SparkSession, asked: _Asked, inputs: dict[str, _Input]) -> StepResult:
    spec, key = asked.spec, asked.key
    with scratch_folder(key.layout.scratch(STEP, key.fingerprint)) as folder:
        checked = map_tables(
            spark,
            lambda source: _check(spark, asked, source, inputs[source.name], folder),
            spec.sources,
        )
        for item in checked:
            path = key.layout.table("raw", item.source.name)
            contract = table_spec(spec, "raw", item.source.name)
            part = asked.slice.part(item.source)
            require_part(spark, path, part, contract, item.num_kept)
        written = map_tables(spark, lambda item: _write(item, asked), checked)
        quarantine = _write_quarantine(spark, checked, written, asked)
    details: dict[str, Any] = {
        "quarantine": str(quarantine),
        "files": {name: [asdict(file) for file in it.files] for name, it in inputs.items()},
        "sources": list(asked.places),
    }
    if asked.span:
        names = [source.name for source in dated_sources(spec)]
        details |= {INTERVAL: str(asked.span), BY_INTERVAL: names}
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
    spark: SparkSession, asked: _Asked, source: Source, given: _Input, scratch: Path
) -> _Checked:
    marked = parse_records(read_source(spark, source, given.files), source)
    words = {"kept": "kept", "blank": BLANK, "absent": ORIGIN_ABSENT, "outside": OUTSIDE}
    counts = [F.count_if(F.col(FATE) == word).alias(name) for name, word in words.items()]
    observation = Observation()
    explained = explain_settled(spark, marked, source, given.taken)
    dated = mark_outside(explained, source, asked.span).observe(observation, *counts)
    parsed = keep_rows(dated, scratch / source.name)
    malformed = quarantined(parsed)
    title = f"{asked.spec.name}: source {source.name}"
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
    if not seen["kept"] and not seen["outside"]:
        raise ContractError(
            f"{title}: expected good rows; none of {[file.name for file in given.files]} is: "
            f"{by_status[OPEN]} malformed, {seen['blank']} blank{first_reasons(malformed)}. Give "
            f"another file by --sources {source.name}=PATH; nothing was written"
        )
    rules = sorted({QUARANTINED + rule for status, rule in by_rule if status == OPEN})
    fates = (BLANK, ORIGIN_ABSENT, *_CLOSED, *rules, *([OUTSIDE] if asked.span else []))
    inside = malformed.where(~F.col("is_outside"))
    return _Checked(source, given.files, parsed, inside, by_status[OPEN], fates, seen["kept"])


def _write(item: _Checked, asked: _Asked) -> Written:
    part, key = asked.slice.part(item.source), asked.key
    contract = table_spec(asked.spec, "raw", item.source.name)
    rows, broken = mark_broken(item.parsed.drop(REASON, SETTLED, EVENT_TIME), contract)
    # numbers of a part say nothing of the whole
    numbers = {} if part.condition else riding(contract, rows)
    target = Target(key.layout.table("raw", item.source.name), key.fingerprint, part=part)
    written = write_kept(rows, target, (*item.fates, *broken), numbers)
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
    spark: SparkSession, checked: Sequence[_Checked], written: Sequence[Written], asked: _Asked
) -> TableVersion:
    """Keep malformed rows as the text they came in, and those that break a check as they are."""
    parts: list[tuple[str, DataFrame]] = []
    for item, made in zip(checked, written, strict=True):
        source, aside = item.source, item.malformed
        if sum(made.fates.quarantined.values()) > item.num_open:
            contract = table_spec(asked.spec, "raw", source.name)
            good = item.parsed.where(F.col(FATE) == "kept").drop(REASON, SETTLED, EVENT_TIME)
            time = source.time if source.interval else ""
            broken = broken_rows(mark_broken(good, contract)[0], time)
            aside = aside.unionByName(broken, allowMissingColumns=True)
        said = str(asked.span) if asked.slice.part(source).condition else ""
        digests = {file.name: file.digest for file in item.files}
        parts.append((source.name, with_origin(aside, digests, said)))
    num_expected = sum(
        sum(made.fates.quarantined.values())
        + sum(made.fates.filtered.get(status, 0) for status in (REPLAYED, DISCARDED))
        for made in written
    )
    digests = {item.source.name: [file.digest for file in item.files] for item in checked}
    dated = [source.name for source in dated_sources(asked.spec)]
    only = asked.slice.superseded(digests, dated)
    return write_quarantine(spark, parts, asked.key, num_expected, only)


def _is_done(result: StepResult, asked: _Asked) -> bool:
    """Say whether a recorded run still stands; one of an interval, in the last version too."""
    tables = [parse_version(text) for text in result.tables]
    is_there = all(is_standing(table) and is_whole(table) for table in tables)
    is_there = is_there and is_standing(parse_version(result.details["quarantine"]))
    return is_there and (asked.span is None or is_current(asked.key.layout, result))
