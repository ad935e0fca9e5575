"""One table, and one start of two ranks, for all tests of the room."""

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from pipelines.training.launcher import launch
from tests.pipelines.loading.tables import rows, write_table
from tests.pipelines.training.text_scenarios import write_texts

ROOT = Path(__file__).parents[3]


@pytest.fixture(scope="session")
def table(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("features")
    train = [rows(100, seed=1), rows(100, seed=2), rows(131, seed=3)]
    return str(write_table(folder, {"train": train, "validation": [rows(77, seed=4)]}))


@pytest.fixture(scope="session")
def even_table(tmp_path_factory: pytest.TempPathFactory) -> str:
    """336 rows: seven full batches of 48."""
    folder = tmp_path_factory.mktemp("even")
    train = [rows(100, seed=1), rows(100, seed=2), rows(136, seed=3)]
    return str(write_table(folder, {"train": train}))


@pytest.fixture(scope="session")
def two_ranks(
    table: str, even_table: str, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, Any]:
    script = Path(__file__).parent / "scenarios.py"
    folder = tmp_path_factory.mktemp("two-ranks")
    write_texts(folder / "texts")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", str(ROOT))
        printed = launch([sys.executable, str(script), table, even_table, str(folder)], 2)
    return json.loads(printed.splitlines()[-1]) | {"folder": folder}
