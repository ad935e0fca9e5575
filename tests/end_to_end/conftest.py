"""One run of a small data set, from raw files to scores, watched from outside."""

import json
import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.end_to_end.checkout import Checkout, make_checkout
from tests.end_to_end.watch import Seen, run_watched
from tests.faults.moments import Watch, build
from tests.faults.readers import Left, look_at
from tests.faults.road import CallsOfSteps

# planted where people keep secrets; none may be found anywhere else
SECRETS = {
    "PGPASSWORD": "canary-Zk81-postgres",
    "AWS_SECRET_ACCESS_KEY": "canary-Qw52-amazon",
    "AWS_SESSION_TOKEN": "canary-Xn37-session",
}
SPARK_SECRET = "canary-Lp64-spark"


@dataclass(frozen=True, slots=True)
class Watched:
    """What a run that nobody disturbed has left under ``root``, printed and shown of itself.

    ``calls`` counts those that changed files, by step; ``left`` is what the run left before any
    test went on with it.
    """

    root: Path
    summary: dict[str, Any]
    seen: Seen
    calls: dict[str, int]
    left: Left


@pytest.fixture(scope="session")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Checkout:
    """The project's code with one contract more."""
    return make_checkout(tmp_path_factory.mktemp("checkout"))


@pytest.fixture(scope="session")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What counts the calls that change files."""
    return build(tmp_path_factory.mktemp("shim"))


@pytest.fixture(scope="session")
def watched(checkout: Checkout, library: Path, tmp_path_factory: pytest.TempPathFactory) -> Watched:
    """A run with secrets in its environment and in Spark's settings, by a user with umask 022."""
    root = tmp_path_factory.mktemp("undisturbed")
    conf = tmp_path_factory.mktemp("spark-conf")
    shutil.copytree(os.environ["SPARK_CONF_DIR"], conf, dirs_exist_ok=True)
    with (conf / "spark-defaults.conf").open("a") as file:
        file.write(f"\nspark.hadoop.fs.s3a.secret.key {SPARK_SECRET}\n")
    environment = {**os.environ, **SECRETS, "SPARK_CONF_DIR": str(conf)}
    watch = Watch(conf / "shared")
    environment |= watch.environment(library, root)
    calls = CallsOfSteps(watch)
    seen = run_watched(checkout.command(root), checkout.folder, environment, calls.look)
    assert seen.code == 0, seen.stderr
    left = look_at(root, "parcels")
    return Watched(root, json.loads(seen.stdout), seen, calls.of_each(), left)


@pytest.fixture(scope="session")
def undisturbed(watched: Watched) -> tuple[Path, dict[str, Any]]:
    """Root and summary of that run."""
    return watched.root, watched.summary
