"""Measure ways to bring a table into a training, peers among them, in turns.

Usage: python -m tests.benchmarks.loading tabular --features PATH@vN --state STATE.json [--rows N]
       python -m tests.benchmarks.loading images --images FOLDER [--small N] [--large N]

Before any speed counts, each way must deliver the same rows: their number and the sum of their
hashes, which no order changes, are compared, and images held against Pillow's pixels. Both kinds
write their part of ``loading.json`` and draw ``loading.svg`` anew.
"""

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pipelines.state import read_json, write_json
from tests.benchmarks.loading.images.data import KINDS, make_images
from tests.benchmarks.loading.measure import Benchmark, measure
from tests.benchmarks.loading.plot import draw
from tests.benchmarks.loading.report import render
from tests.benchmarks.loading.tabular.data import make_table
from tests.benchmarks.machine import describe_machine

_OTHERS = ("tf.data over TFRecord", "Petastorm as in its README")
_PEERS = (
    "torch DataLoader over Parquet",
    "Hugging Face datasets",
    "MosaicML Streaming",
    "LitData",
)
_ROWS = ("pyarrow alone", "Gristmill", "Gristmill, rows in memory")
_TABULAR = Benchmark("tabular", ours=(*_ROWS, *_OTHERS), peers=_PEERS, counted=_ROWS)
_DECODED = ("decoding alone", "Gristmill", *_OTHERS)
_IMAGES = Benchmark(
    "images",
    ours=_DECODED,
    peers=_PEERS,
    counted=_DECODED,
    need_peers=_OTHERS[1:],
    unit="images",
)


def main() -> None:
    """Check, count and time each way; print Markdown tables; exit 1 if rows differ."""
    said = _parse()
    output = Path(said.output).absolute()
    are_same = True
    for name, table, benchmark, facts in _tables(said, output):
        results = measure(benchmark, table, said.peers, said.rounds)
        part = facts | {"limit": benchmark.limit, "unit": benchmark.unit, "results": results}
        path = output / "loading.json"
        known: dict[str, Any] = read_json(path) if path.exists() else {}
        write_json(path, known | {name: part | {"machine": describe_machine()}})
        draw(read_json(path), output / "loading.svg")
        print(f"\n{name}: {facts}\n\n{render(part)}", flush=True)
        are_same &= all(result["same"] for result in results)
    raise SystemExit(not are_same)


def _parse() -> argparse.Namespace:
    shared = argparse.ArgumentParser(add_help=False)
    shared.add_argument("--rounds", type=int, default=6, help="epochs; the first is dropped")
    shared.add_argument("--peers", default="", help="python of the peers' environment, if any")
    shared.add_argument("--output", default="build/benchmarks", help="tables and loading.json")
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.loading")
    kinds = parser.add_subparsers(dest="kind", required=True)
    tabular = kinds.add_parser("tabular", parents=[shared], help="numbers and codes")
    tabular.add_argument("--features", required=True, help="features table, path@vN")
    tabular.add_argument("--state", required=True, help="its features state, JSON")
    tabular.add_argument("--rows", type=int, default=5_000_000, help="rows of the enlarged table")
    images = kinds.add_parser("images", parents=[shared], help="JPEGs, small and larger")
    images.add_argument("--images", required=True, help="folder of JPEGs, or of tar archives")
    images.add_argument("--small", type=int, default=60_000, help="images of 32 x 32, or 0")
    images.add_argument("--large", type=int, default=5_000, help="images of 500 x 375, or 0")
    said = parser.parse_args()
    if said.rounds < 2:
        parser.error(
            f"expected --rounds of at least 2, since the first is dropped; got {said.rounds}"
        )
    return said


def _tables(
    said: argparse.Namespace, output: Path
) -> Iterator[tuple[str, Path, Benchmark, dict[str, Any]]]:
    """Make the tables one after the other; give name, description, ways and facts of each."""
    if said.kind == "tabular":
        folder = output / f"loading-{said.rows}"
        table = make_table(folder, said.features, said.state, said.rows)
        columns = len(table.numeric) + len(table.integers)
        facts = {"rows": table.rows, "columns": columns, "row_bytes": 4 * columns}
        yield "tabular", folder / "table.json", _TABULAR, facts
        return
    for name, rows in (("small images", said.small), ("large images", said.large)):
        if rows:
            folder = output / f"loading-{name.replace(' ', '-')}-{rows}"
            print(f"making {rows:,} {name}", file=sys.stderr, flush=True)
            images = make_images(folder, KINDS[name], Path(said.images), rows)
            size = {"height": images.height, "width": images.width}
            jpeg_bytes = round(images.jpeg_bytes / rows)
            row_bytes = images.height * images.width * 3
            facts = {"rows": rows, "row_bytes": row_bytes, "jpeg_bytes": jpeg_bytes} | size
            yield name, folder / "table.json", _IMAGES, facts


if __name__ == "__main__":
    main()
