"""Take rows out of the quarantine as a file to be mended, and take the mended ones back in.

Mended rows land as a source file of their own, see ``pipelines.sources.replays``; ingest reads them
by the same contract as any other row. What breaks again is set aside again, with its new reason.
"""

import os
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pipelines.cli import param
from pipelines.errors import ContractError, ParameterError
from pipelines.layout import Layout
from pipelines.sources.mended import MendedRow, read_mended, render_row, settle_rows, write_export
from pipelines.sources.replays import (
    DISCARDED,
    PREFIX,
    REPLAYED,
    Replay,
    Settled,
    land_replay,
    read_replays,
    text_digest,
)
from pipelines.sources.rivals import refuse_rivals
from pipelines.step import StepResult, read_record
from pipelines.storage.place import place
from pipelines.tables.by_interval import INTERVAL
from pipelines.tables.ledger_table import read_ledger
from pipelines.tables.quarantine import AS_JSON, OPEN
from pipelines.tables.records import read_records
from pipelines.tables.write import lock_table
from schemas.catalog import dataset
from schemas.contract import DatasetSpec, Source

_INGEST = "ingest"
_CUT = "too_long"
_Place = tuple[str, str, str, int]  # source, file, its digest, position


@dataclass(frozen=True, slots=True)
class ReplayParams:
    """Take rows out of the quarantine to be mended (--export), or mended ones back in (--rows)."""

    dataset: str = param("name of the data set, a module of schemas")
    root: str = param("folder that holds all data sets, e.g. lake")
    export: str = param("file to write open rows to, one JSON object a line", "")
    rows: str = param("such a file, with raw mended or a reason in discard, where you could", "")
    source: str = param("export rows of this source only; all if empty", "")
    personal: bool = param("export also the text of rows that have personal columns", False)
    sources: tuple[str, ...] = param("other places of sources, as of ingest; its last if none", ())


@dataclass(frozen=True, slots=True)
class Exported:
    """What was written to ``file``; and open rows that can't be mended here, by why not."""

    dataset: str
    file: str
    num_rows: int
    rules: dict[str, int]
    left_out: dict[str, int]


@dataclass(frozen=True, slots=True)
class Landed:
    """What came of a file of mended rows: ``files`` are to be read by ingest beside the others.

    ``num_known`` rows were settled so before; ``num_unchanged`` stay open.
    """

    dataset: str
    num_replayed: int
    num_discarded: int
    num_known: int
    num_unchanged: int
    files: tuple[str, ...]


def run(params: ReplayParams) -> Exported | Landed:
    """Write open rows to a file, or land mended ones for ingest, all or none.

    The same file again lands nothing anew.

    Raises:
        ParameterError: Not exactly one of ``export`` and ``rows``, a file that is there already or
            is of another form, a row that is not open, or nothing was ingested.
            Or, on S3 and HDFS, another replay settled one of the rows at the same time.
        ContractError: Mended rows could not be read as rows of their source.
    """
    if bool(params.export) == bool(params.rows):
        raise ParameterError("expected either --export FILE or --rows FILE")
    spec, layout = dataset(params.dataset), Layout(params.root, params.dataset)
    ingests, left_out = _standing_ingests(spec, layout), Counter[str]()
    offered = _open_rows(spec, layout, ingests, left_out)
    if params.export:
        return _export(params, spec, offered, left_out)
    return _land(params, spec, layout, offered)


def _standing_ingests(spec: DatasetSpec, layout: Layout) -> tuple[StepResult, ...]:
    """Give the last ingest; if it was by interval, the last of each interval, the newest first.

    Back to the last ingest of all, which is not among them: done again, it would undo the others.
    """
    runs = [row["run"] for row in read_ledger(layout) if row["step"] == _INGEST]
    if not runs:
        raise ParameterError(
            f"expected an ingest of {spec.name} under {layout.base}; the ledger has none. Give the "
            "--root that the steps were given"
        )
    found: dict[str, StepResult] = {}
    for run in dict.fromkeys(reversed(runs)):
        record = read_record(layout.steps / f"{_INGEST}-{run}.json")
        interval = record.details.get(INTERVAL, "")
        if interval or not found:
            found.setdefault(interval, record)
        if not interval:
            break
    return tuple(found.values())


def _open_rows(
    spec: DatasetSpec,
    layout: Layout,
    ingests: Sequence[StepResult],
    left_out: Counter[str],
) -> dict[_Place, dict[str, Any]]:
    """Give open rows of the quarantine by their place; count those that have none that holds."""
    digests = {file: digest for made in reversed(ingests) for file, digest in _digests(made)}
    fresh = _fresh_stages(layout)
    runs = {made.fingerprint for made in ingests}
    found: dict[_Place, dict[str, Any]] = {}
    for row in read_records(place(layout.quarantine)):
        if row.get("status") not in (None, OPEN):
            continue
        digest = digests.get((row["source"], row["source_file"]))
        digest = row.get("file_digest") or digest
        is_fresh = row["run"] in runs if row["stage"] == _INGEST else (row["stage"] in fresh)
        if row["source_file"] is None:
            left_out[f"set aside at {row['stage']}, whose table keeps no place in a file"] += 1
        elif not is_fresh or digest is None:
            left_out[f"set aside at {row['stage']} before the last ingest: run it again"] += 1
        else:
            where = (row["source"], row["source_file"], digest, row["position"])
            found[where] = {**row, "text": _text(row, spec.source(row["source"]))}
    return found


def _digests(ingest: StepResult) -> list[tuple[tuple[str, str], str]]:
    files: dict[str, list[dict[str, Any]]] = ingest.details["files"]
    return [((name, file["name"]), file["digest"]) for name, some in files.items() for file in some]


def _fresh_stages(layout: Layout) -> set[str]:
    """Steps that the ledger enters after the last ingest: their rows stand where it put them."""
    steps = [row["step"] for row in read_ledger(layout) if row["read"] is not None]
    last = max((i for i, step in enumerate(steps) if step == _INGEST), default=-1)
    return {*steps[last + 1 :]}


def _text(row: Mapping[str, Any], source: Source) -> str | None:
    """The row as its source would write it; None if only its beginning was kept."""
    if row["detail"] == AS_JSON:
        return render_row(row["raw"], source)
    return None if row["rule"] == _CUT else row["raw"]


def _export(
    params: ReplayParams,
    spec: DatasetSpec,
    offered: Mapping[_Place, Mapping[str, Any]],
    left_out: Mapping[str, int],
) -> Exported:
    if params.source:
        spec.source(params.source)
    wanted = {
        place: row for place, row in sorted(offered.items()) if params.source in ("", place[0])
    }
    masked = {
        source.name
        for source in spec.sources
        if not params.personal and any(column.is_personal for column in source.columns)
    }
    rows = [
        MendedRow(
            source=place[0],
            stage=row["stage"],
            rule=row["rule"],
            detail=row["detail"],
            file=place[1],
            digest=place[2],
            position=place[3],
            was=text_digest(row["text"] or ""),
            raw=None if place[0] in masked else row["text"],
        )
        for place, row in wanted.items()
    ]
    write_export(Path(params.export), rows)
    rules = Counter(row.rule for row in rows)
    path = os.path.abspath(params.export)  # noqa: PTH100  a link stays one
    return Exported(spec.name, path, len(rows), dict(rules), dict(left_out))


def _land(
    params: ReplayParams,
    spec: DatasetSpec,
    layout: Layout,
    offered: Mapping[_Place, Mapping[str, Any]],
) -> Landed:
    rows = read_mended(Path(params.rows))
    changed = [row for row in rows if row.discard or row.is_mended]
    for row in changed:
        spec.source(row.source)
    landed: list[Replay] = []
    num_known = 0
    with lock_table(str(layout.base / "replays")):
        fresh: dict[str, list[tuple[Settled, str]]] = {}
        for source in spec.sources:
            mine = [row for row in changed if row.source == source.name]
            before = read_replays(layout.replays(source.name))
            is_open = {place[1:]: row for place, row in offered.items() if place[0] == source.name}
            fresh[source.name] = settle_rows(mine, source, before, is_open)
            num_known += len(mine) - len(fresh[source.name])
        try:
            for source in spec.sources:
                if fresh[source.name]:
                    folder, now = layout.replays(source.name), datetime.now(UTC)
                    made = land_replay(spec.name, source, folder, fresh[source.name], now)
                    landed.append(made)
                    refuse_rivals(folder, made)
        except (ContractError, ParameterError):
            for replay in landed:
                replay.remove()
            raise
    statuses = Counter(row.status for replay in landed for row in replay.rows)
    return Landed(
        spec.name,
        statuses[REPLAYED],
        statuses[DISCARDED],
        num_known,
        len(rows) - len(changed),
        tuple(replay.name for replay in landed),
    )


@dataclass(frozen=True, slots=True)
class Again:
    """An ingest to be done again: its flags."""

    sources: tuple[str, ...]
    interval_start: str = ""
    interval_end: str = ""


def ingests_to_repeat(params: ReplayParams) -> tuple[Again, ...]:
    """Give the ingests that take in what was mended, oldest first.

    The last one; or, by interval, the last of each interval of whose files a row was mended.
    """
    ingests = _standing_ingests(dataset(params.dataset), Layout(params.root, params.dataset))
    named = {(row.source, row.digest) for row in read_mended(Path(params.rows))}
    wanted = [
        made
        for made in reversed(ingests)
        if named & {(source, digest) for (source, _), digest in _digests(made)}
    ]
    return tuple(_again(params, made) for made in wanted or ingests[:1])


def _again(params: ReplayParams, ingest: StepResult) -> Again:
    start, _, end = ingest.details.get(INTERVAL, "").partition("/")
    return Again(params.sources or _places(ingest), start, end)


def _places(ingest: StepResult) -> tuple[str, ...]:
    files: dict[str, list[dict[str, Any]]] = ingest.details["files"]
    own = [
        (name, Path(file["path"]))
        for name, some in files.items()
        for file in some
        if not file["name"].startswith(PREFIX)
    ]
    if all(path.exists() for _, path in own) or "sources" not in ingest.details:
        return tuple(f"{name}={path}" for name, path in own)
    # what was unpacked for a root on S3 or HDFS went with the run: unpack it again
    return tuple(ingest.details["sources"])
