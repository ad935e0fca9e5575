"""A program that writes all that the pipeline keeps, each while its disk is full, then once more.

Run with the shim of moments.py preloaded; prints one JSON object of outcomes by what was full.
"""

import contextlib
import io
import json
import os
import sys
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np

from pipelines.cli import report_errors
from pipelines.layout import Layout
from pipelines.quality.report import QualityReport
from pipelines.registry.package import Contents, build_package, open_package
from pipelines.registry.store import Logged, add_version, crown, find_champion, open_registry
from pipelines.spark.session import spark_session
from pipelines.step import StepKey, StepResult
from pipelines.tables.delta import versions
from pipelines.tables.ledger_table import account_for, read_ledger
from pipelines.tables.quarantine import COLUMNS, write_quarantine
from pipelines.tables.write import write_table
from pipelines.training.checkpoint import Checkpoints, Progress
from tests.faults.moments import Watch
from tests.faults.readers import content

_BROKEN = tuple(item.split()[0] for item in COLUMNS.split(", ") if item.split()[0] != "dataset")


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a user saw, and what was there before, with no space, and after some was freed."""

    said: str
    before: Any
    full: Any
    freed: Any


def attempt(watch: Watch, part: str, write: Callable[[], Any], read: Callable[[], Any]) -> Outcome:
    """Write with no space for ``part``, then with space."""
    before, said = read(), io.StringIO()
    watch.fill(part)
    try:
        with contextlib.redirect_stderr(said), report_errors():
            write()
    except SystemExit:
        pass
    finally:
        watch.fill("")
    full = read()
    write()
    return Outcome(said.getvalue(), before, full, read())


def _last(path: str) -> str:
    return content(Path(path), versions(path)[-1])


def tables(watch: Watch, root: Path) -> dict[str, Outcome]:
    """Data, commit and shuffle of a table, and the quarantine."""
    spark = spark_session("full")
    spark.conf.set("spark.sql.shuffle.partitions", "2")
    path = str(root / "lake" / "tiny" / "raw" / "rides")
    write_table(spark.range(5).toDF("ride"), path, "first")
    found: dict[str, Outcome] = {}
    for name, part in (("data", ".parquet"), ("commit", "_delta_log"), ("shuffle", "blockmgr")):
        rows = spark.range(len(found), 2000, 1, 4).repartition(3, "id").toDF("ride")
        write = lambda rows=rows, name=name: write_table(rows, path, name)  # noqa: E731
        found[name] = attempt(watch, part, write, lambda: _last(path))
    key = StepKey("split", Layout(str(root / "lake"), "tiny"), "made")
    names = [f"'{name}' as {name}" for name in ("rule", "detail", "source_file")]
    names += ["id as position", "'x' as raw"]
    for count in (1, 2):
        broken = spark.range(count).selectExpr(*names)
        write = lambda count=count, rows=broken: write_quarantine(  # noqa: E731
            spark, [("rides", rows)], key, count
        )
        if count == 1:
            write()
        else:
            read = lambda: _last(key.layout.quarantine)  # noqa: E731
            found["quarantine"] = attempt(watch, "/quarantine/", write, read)
    spark.stop()
    return found


def ledger(watch: Watch, root: Path) -> Outcome:
    """The ledger: a verdict is there or not."""
    layout = Layout(str(root / "lake"), "tiny")
    table = f"{root}/lake/tiny/raw/rides@v0"

    def enter(name: str) -> Callable[[], Any]:
        report = asdict(QualityReport(table, "made", success=True, checks=()))
        result = StepResult("validate-raw", "tiny", name, details={"reports": [report]})
        return lambda: account_for(result, layout)

    enter("a")()
    return attempt(watch, "/ledger/", enter("b"), lambda: len(read_ledger(layout)))


def checkpoint(watch: Watch, root: Path) -> Outcome:
    """A checkpoint: the last one loads."""
    checkpoints, variable = Checkpoints(root / "training"), keras.Variable(np.zeros(100))

    def save(epoch: int) -> None:
        checkpoints.save([variable], Progress(epoch, epoch, 0.5))
        checkpoints.wait()

    def load() -> int:
        found = checkpoints.load("last")
        return found[1].epoch if found else 0

    save(1)
    return attempt(watch, "/training/", lambda: save(2), load)


def registry(watch: Watch, root: Path) -> Outcome:
    """The registry: the champion's package opens."""
    opened = open_registry("", root / "registry")

    def add(name: str) -> None:
        source = root / f"{name}.txt"
        source.write_text(name * 100)
        digest = build_package(root / name, Contents({"model.keras": source}, {"name": name}))
        logged = Logged({}, {}, {"manifest_sha256": digest})
        crown(opened, add_version(opened, "tiny", name, root / name, logged))

    def champion() -> list[Any]:
        found = find_champion(opened, "tiny")
        assert found is not None
        return [found.number, bool(open_package(found.folder, found.tags["manifest_sha256"]))]

    add("a")
    return attempt(watch, "/artifacts/", lambda: add("b"), champion)


def main() -> None:
    """Try all."""
    root, watch = Path(sys.argv[1]), Watch(Path(os.environ["FAULT_SHARED"]))
    found = tables(watch, root)
    for case in (ledger, checkpoint, registry):
        found[case.__name__] = case(watch, root)
    print(json.dumps({name: asdict(outcome) for name, outcome in found.items()}))


if __name__ == "__main__":
    main()
