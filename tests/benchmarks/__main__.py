"""Measure each step as rows grow: seconds, rows per second, peak memory, and the rows by fate.

Usage: python -m tests.benchmarks [STEP ...] [--rows 1000000,10000000] [--output build/benchmarks]
"""

import argparse
import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

from pipelines.state import write_json
from tests.benchmarks.generate import Generated, generate
from tests.benchmarks.machine import PeakMemory, describe_machine
from tests.benchmarks.steps import NAMES

_REPOSITORY = Path(__file__).parents[2]
_MIB = 2**20


def main() -> None:
    """Measure, print a Markdown table, write ``results.json``; exit 1 if fates differ."""
    parser = argparse.ArgumentParser(description="Time the steps on enlarged flights.")
    parser.add_argument("names", nargs="*", default=[], help=f"steps among {', '.join(NAMES)}")
    parser.add_argument("--rows", default="1000000,10000000", help="clean flights, comma-separated")
    parser.add_argument("--output", default="build/benchmarks", help="data, tables and results")
    parser.add_argument("--epochs", type=int, default=2, help="epochs of the step train, exactly")
    parser.add_argument("--keep", action="store_true", help="keep the tables that were written")
    said = parser.parse_args()
    names: list[str] = said.names or [*NAMES]
    unknown = set(names) - set(NAMES)
    if unknown:
        parser.error(f"expected steps among {NAMES}; got {sorted(unknown)}")
    output = Path(said.output).absolute()
    results: list[dict[str, Any]] = []
    for rows in (int(text) for text in said.rows.split(",")):
        print(f"generating {rows:,} flights", file=sys.stderr, flush=True)
        data = generate(output / f"data-{rows}", rows)
        results += measure(names, data, output / f"lake-{rows}", said.epochs)
        write_json(output / "results.json", {"machine": describe_machine(), "results": results})
        if not said.keep:
            shutil.rmtree(output / f"lake-{rows}", ignore_errors=True)
    print(table(results))
    raise SystemExit(any(result["differs"] for result in results))


def measure(names: list[str], data: Generated, root: Path, epochs: int) -> list[dict[str, Any]]:
    """Run the steps in a process of their own, on empty tables, and measure those named."""
    shutil.rmtree(root, ignore_errors=True)
    said = json.dumps({"names": names, "data": asdict(data), "root": str(root), "epochs": epochs})
    command = [sys.executable, "-m", "tests.benchmarks.steps", said]
    results: list[dict[str, Any]] = []
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=_REPOSITORY) as child:
        memory = PeakMemory(child.pid)
        memory.start()
        for event, cpu_s, peak in _events(child, memory):
            if event["step"] in names:
                measured = {"cpu_s": round(cpu_s, 1), "peak_mib": round(peak / _MIB)}
                results.append(_result(event, data) | measured)
                print(json.dumps(results[-1]), file=sys.stderr, flush=True)
        memory.stop()
    if child.returncode:
        raise SystemExit(f"a step failed with exit code {child.returncode}; see above")
    return results


def table(results: list[dict[str, Any]]) -> str:
    """Render results as a Markdown table."""
    lines = [
        "| step | clean rows | rows read | seconds | rows/s | CPU s | peak MiB | fates |",
        "|---|--:|--:|--:|--:|--:|--:|---|",
    ]
    lines += [
        f"| {r['step']} | {r['rows']:,} | {r['read']:,} | {r['seconds']:.1f} | {r['rows_per_s']:,} "
        f"| {r['cpu_s']:.1f} | {r['peak_mib']:,} | {'; '.join(r['differs']) or 'yes'} |"
        for r in results
    ]
    return "\n".join(lines)


def _events(child: "subprocess.Popen[str]", memory: PeakMemory) -> Iterator[tuple[Any, float, int]]:
    before = 0.0
    for line in child.stdout or ():
        event = json.loads(line)
        if "begin" in event:
            before = memory.cpu_s()
            memory.take()
        else:
            yield event, memory.cpu_s() - before, memory.take()


def _result(event: dict[str, Any], data: Generated) -> dict[str, Any]:
    found = event["rows"].get("flights", {})
    planned = {"ingest": data.ingested, "deduplicate": data.deduplicated}.get(event["step"], {})
    differs = [
        f"{word}: planned {expected}, found {found.get(word)}"
        for word, expected in planned.items()
        if found.get(word) != expected
    ]
    # a step without fates of its own (validate, train, evaluate) reads the rows that there are
    read = sum(fates["read"] for fates in event["rows"].values()) or data.rows
    return {
        "step": event["step"],
        "rows": data.rows,
        "read": read,
        "seconds": event["seconds"],
        "rows_per_s": round(read / event["seconds"]),
        "planned": planned,
        "found": found,
        "differs": differs,
    }


if __name__ == "__main__":
    main()
