"""Measure what rows that are set aside cost an ingest: none, 1 % and 4 % of the flights malformed.

Usage: python -m tests.benchmarks.quarantine [--copies 3] [--rounds 4] [--output build/benchmarks]

The ways take turns; each round ingests into a new lake. That 20 % stop the ingest is tried too.
"""

import argparse
import shutil
import statistics
import sys
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

from pyspark.sql import SparkSession

from pipelines.errors import ContractError
from pipelines.ingest import IngestParams, run
from pipelines.sources.locate import locate
from pipelines.spark.session import spark_session
from pipelines.state import write_json
from schemas.flights import SPEC
from tests.benchmarks.machine import describe_machine

_SHARES = (0.0, 0.01, 0.04)
_STOPPED = 0.2


def main() -> None:
    """Time each share, print a Markdown table and write ``quarantine.json``."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--copies", type=int, default=3, help="how often the year is repeated")
    parser.add_argument("--rounds", type=int, default=4, help="of each way; the first is dropped")
    parser.add_argument("--output", default="build/benchmarks", help="folder of quarantine.json")
    said = parser.parse_args()
    if said.rounds < 2 or said.copies < 1:
        parser.error("expected --rounds of 2 or more (the first is dropped), --copies of 1 or more")
    scratch = Path(said.output).absolute() / "quarantine"
    shutil.rmtree(scratch, ignore_errors=True)
    files = {share: _write(scratch, share, said.copies) for share in (*_SHARES, _STOPPED)}
    spark = spark_session("quarantine")
    seconds: dict[float, list[float]] = {share: [] for share in _SHARES}
    rows: dict[float, tuple[int, int]] = {}
    for number in range(said.rounds):
        for share in _SHARES:
            began = time.monotonic()
            rows[share] = _ingest(spark, files[share], scratch / f"lake-{number}-{share}")
            seconds[share].append(round(time.monotonic() - began, 2))
            sys.stderr.write(f"round {number}, {share:.0%}: {seconds[share][-1]} s\n")
    try:
        _ingest(spark, files[_STOPPED], scratch / "stopped")
    except ContractError as error:
        sys.stderr.write(f"{_STOPPED:.0%}: {error}\n")
    else:
        raise SystemExit(f"expected an ingest with {_STOPPED:.0%} malformed rows to be stopped")
    results = [
        {"share": share, "read": rows[share][0], "set_aside": rows[share][1], "seconds": taken}
        for share, taken in seconds.items()
    ]
    print(_render(seconds, rows))
    value = {"machine": describe_machine(), "results": results}
    write_json(Path(said.output) / "quarantine.json", value)
    shutil.rmtree(scratch)


def _ingest(spark: SparkSession, file: Path, root: Path) -> tuple[int, int]:
    fates = run(spark, IngestParams(SPEC.name, str(root), (f"flights={file}",))).rows["flights"]
    return fates.read, sum(fates.quarantined.values())


def _write(folder: Path, share: float, copies: int) -> Path:
    source = locate(SPEC.name, SPEC.main, (), folder / "landing")[0]
    path = folder / f"flights-{share}.csv"
    lines = source.read_text().splitlines(keepends=True)
    with path.open("w") as file:
        file.write(lines[0])
        for _ in range(copies):
            file.writelines(_broken(lines[1:], share))
    return path


def _broken(lines: Iterable[str], share: float) -> Iterator[str]:
    """Give the lines, of each hundred as many with a word for the year as the share says."""
    for number, line in enumerate(lines):
        is_broken = number % 100 < round(share * 100)
        yield "year" + line[line.index(",") :] if is_broken else line


def _render(seconds: dict[float, list[float]], rows: dict[float, tuple[int, int]]) -> str:
    lines = ["\n| malformed | rows set aside | seconds | range | of the clean ingest |"]
    lines.append("|--:|--:|--:|--:|--:|")
    clean = statistics.median(seconds[0.0][1:])
    for share, taken in seconds.items():
        counted = taken[1:]
        middle = statistics.median(counted)
        span = f"{min(counted):.1f} to {max(counted):.1f}"
        aside = f"{rows[share][1]:,} of {rows[share][0]:,}"
        lines.append(f"| {share:.0%} | {aside} | {middle:.1f} | {span} | {middle / clean:.2f} |")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
