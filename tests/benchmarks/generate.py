"""Enlarge the flights of 2013: as many rows as wanted, with faults at known rates.

Copy ``c`` of the year moves every flight by 364 * c days, so weekdays stay, and its time of day
stays in New York; the year's last day is left out, as it would fall on the next copy's first.
Faults come on top of the clean rows: exact duplicates beside the row, late versions (another
``arr_delay``) in a file whose name sorts last, missing tail numbers, malformed lines. The same
arguments write the same bytes. One copy of the year is in memory at a time.
"""

from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from datetime import UTC, date, datetime, timedelta
from itertools import islice
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np

from pipelines.sources.locate import locate
from pipelines.state import read_json, write_json
from schemas.flights import SPEC

DUPLICATE_RATE = 0.01
LATE_RATE = 0.01
NULL_RATE = 0.02
MALFORMED_RATE = 0.005
FILE_BYTES = 250 * 10**6
SHIFT_DAYS = 364
_ZONE = ZoneInfo("America/New_York")
_FIRST_DAY = date(2013, 1, 1)
_RULES = ("field_count", "type:dep_delay", "timezone:time_hour", "unbalanced_quote", "null:flight")
# places of the cells between the date and the hour
_DEP_DELAY, _ARR_DELAY, _FLIGHT, _TAILNUM, _HOUR = 2, 5, 7, 8, 13


@dataclass(frozen=True, slots=True)
class Generated:
    """Where the data lie, as flags of ingest, and what each step must make of the flights."""

    rows: int
    num_copies: int
    sources: tuple[str, ...]
    ingested: dict[str, Any]
    deduplicated: dict[str, Any]
    null_tailnums: int


@dataclass(slots=True)
class _Counts:
    rows: int = 0
    duplicates: int = 0
    late: int = 0
    nulls: int = 0
    malformed: dict[str, int] = field(default_factory=dict)


def generate(folder: Path, rows: int, seed: int = 1) -> Generated:
    """Write ``rows`` clean flights, with faults on top, and the weather of the same time.

    Args:
        folder: Gets ``flights/`` and ``weather/``; data of the same arguments are used again.
        rows: Distinct flights, at least 1.
        seed: Chooses which rows get a fault.
    """
    done = folder / f"generated-{rows}-{seed}.json"
    if done.exists():
        return read_generated(read_json(done))
    main, weather = (_lines(folder, name) for name in ("flights", "weather"))
    header, clean = main[0], [line for line in main[1:] if not line.startswith("2013,12,31,")]
    num_copies = -(-rows // len(clean))
    counts = _Counts()
    target = _RollingFile(folder / "flights", "flights", header)
    late = _RollingFile(folder / "flights", "flights-late", header)
    for copy in range(num_copies):
        part = list(islice(clean, rows - copy * len(clean)))
        early_lines, late_lines = _fault(_shift_flights(part, copy), (seed, copy), counts)
        target.write(early_lines)
        late.write(late_lines)
    hours = _RollingFile(folder / "weather", "weather", weather[0])
    for copy in range(num_copies):
        hours.write(list(_shift_weather(weather[1:], copy)))
    for file in (target, late, hours):
        file.close()
    made = _expect(counts, num_copies, folder)
    write_json(done, asdict(made))
    return made


def read_generated(value: dict[str, Any]) -> Generated:
    """Make ``Generated`` from its JSON value."""
    fields: dict[str, Any] = {**value, "sources": tuple(value["sources"])}
    return Generated(**fields)


def _expect(counts: _Counts, num_copies: int, folder: Path) -> Generated:
    kept = counts.rows + counts.duplicates + counts.late
    return Generated(
        rows=counts.rows,
        num_copies=num_copies,
        sources=(f"flights={folder / 'flights'}", f"weather={folder / 'weather'}"),
        ingested={
            "read": kept + sum(counts.malformed.values()),
            "kept": kept,
            "quarantined": counts.malformed,
        },
        deduplicated={
            "read": kept,
            "kept": counts.rows,
            "duplicate": counts.duplicates,
            "filtered": {"older_version": counts.late} if counts.late else {},
        },
        null_tailnums=counts.nulls,
    )


def _lines(folder: Path, name: str) -> list[str]:
    path = locate(SPEC.name, SPEC.source(name), (), folder / "landing")[0]
    return path.read_text(encoding="utf-8").splitlines()


def _shift_flights(lines: list[str], copy: int) -> list[list[str]]:
    """Give each flight's cells between date and hour, with its new date and hour around them."""
    days: dict[str, tuple[str, str]] = {}
    hours: dict[tuple[str, str], str] = {}
    shifted: list[list[str]] = []
    for line in lines:
        year, month, day, rest = line.split(",", 3)
        cells = rest.split(",")
        old = f"{year}-{month}-{day}"
        if old not in days:
            new = date(int(year), int(month), int(day)) + timedelta(days=SHIFT_DAYS * copy)
            days[old] = (f"{new.year},{new.month},{new.day}", new.isoformat())
        text, iso = days[old]
        hour = cells[_HOUR]
        if (iso, hour) not in hours:
            local = datetime.fromisoformat(iso).replace(hour=int(hour), tzinfo=_ZONE)
            hours[iso, hour] = f"{local.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"
        cells[-1] = hours[iso, hour]
        shifted.append([text, *cells])
    return shifted


def _shift_weather(lines: list[str], copy: int) -> Iterator[str]:
    for line in lines:
        cells = line.split(",")
        hour = datetime.fromisoformat(cells[-1]) + timedelta(days=SHIFT_DAYS * copy)
        local = hour.astimezone(_ZONE)
        place = f"{cells[0]},{local.year},{local.month},{local.day},{local.hour}"
        yield f"{place},{','.join(cells[5:-1])},{hour:%Y-%m-%dT%H:%M:%SZ}"


def _fault(
    flights: list[list[str]], seed: tuple[int, int], counts: _Counts
) -> tuple[list[str], list[str]]:
    random = np.random.default_rng(seed)
    is_null, is_double, is_late, is_bad = (
        (random.random(len(flights)) < rate).tolist()
        for rate in (NULL_RATE, DUPLICATE_RATE, LATE_RATE, MALFORMED_RATE)
    )
    early: list[str] = []
    late: list[str] = []
    for i, cells in enumerate(flights):
        if is_null[i]:
            cells[1 + _TAILNUM] = "NA"
        counts.nulls += cells[1 + _TAILNUM] == "NA"
        line = ",".join(cells)
        early.append(line)
        if is_double[i]:
            early.append(line)
        if is_bad[i]:
            rule = _RULES[i % len(_RULES)]
            counts.malformed[rule] = counts.malformed.get(rule, 0) + 1
            early.append(_break(list(cells), rule))
        if is_late[i]:
            late.append(",".join(_delay(list(cells))))
    counts.rows += len(flights)
    counts.duplicates += sum(is_double)
    counts.late += len(late)
    return early, late


def _delay(cells: list[str]) -> list[str]:
    former = cells[1 + _ARR_DELAY]
    cells[1 + _ARR_DELAY] = "7" if former == "NA" else str(int(float(former)) + 1)
    return cells


def _break(cells: list[str], rule: str) -> str:
    if rule == "field_count":
        del cells[-3]
    elif rule == "type:dep_delay":
        cells[1 + _DEP_DELAY] = "late"
    elif rule == "timezone:time_hour":
        cells[-1] = cells[-1].removesuffix("Z")
    elif rule == "unbalanced_quote":
        cells[1 + _TAILNUM] = '"' + cells[1 + _TAILNUM]
    else:
        cells[1 + _FLIGHT] = "NA"
    return ",".join(cells)


class _RollingFile:
    """CSV files of about ``FILE_BYTES`` each, all with the header; the first opens with a line."""

    def __init__(self, folder: Path, stem: str, header: str) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder, self._stem, self._header = folder, stem, header
        self._number, self._file = 0, None

    def write(self, lines: list[str]) -> None:
        if not lines:
            return
        if self._file is None:
            path = self._folder / f"{self._stem}-{self._number:04d}.csv"
            self._file = path.open("w", encoding="utf-8", newline="\n")
            self._file.write(self._header + "\n")
            self._number += 1
        self._file.write("\n".join(lines) + "\n")
        if self._file.tell() >= FILE_BYTES:
            self.close()

    def close(self) -> None:
        if self._file is not None:
            self._file.close()
        self._file = None
