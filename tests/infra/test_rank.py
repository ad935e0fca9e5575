"""Ranks as pods of an indexed Job are: a host each, no ssh, no launcher. See ``tests.hosts``."""

import json
import os
import subprocess
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import pytest

from pipelines.cli import to_flags
from pipelines.train import launch_training
from tests.hosts import Host, joined_hosts
from tests.pipelines.loading.tables import rows, write_table
from tests.pipelines.test_train import make_params

pytestmark = pytest.mark.slow
ROOT = Path(__file__).parents[2]


def start(index: int, host: Host, first: Host, program: list[str]) -> "subprocess.Popen[str]":
    pod = {"JOB_COMPLETION_INDEX": str(index), "RANKS": "2", "POD_ADDRESS": host.address}
    return subprocess.Popen(
        host.command("python", "infra/kubernetes/rank.py", *program),
        cwd=ROOT,
        env={**os.environ, **pod, "FIRST_RANK": first.address},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_ranks_of_an_indexed_job_train_the_model_of_local_ranks(tmp_path: Path) -> None:
    train = [rows(500, seed=1), rows(500, seed=2), rows(231, seed=3)]
    write_table(tmp_path / "features", {"train": train, "validation": [rows(300, seed=4)]})
    params = make_params(tmp_path, epochs=3)
    local = launch_training(replace(params, root=str(tmp_path / "local")), 2)
    program = ["jobs/train.py", *to_flags(replace(params, root=str(tmp_path / "hosts")))]
    with joined_hosts(2) as network, ExitStack() as stack:
        first, second = network.hosts
        # the first one comes last, as pods may: the other waits for it
        late = stack.enter_context(start(1, second, first, program))
        stack.callback(late.kill)
        early = stack.enter_context(start(0, first, first, program))
        stack.callback(early.kill)
        printed, said = early.communicate(timeout=900)
        assert early.returncode == 0, said
        assert late.communicate(timeout=900)[0] == ""
        assert late.returncode == 0
    details = json.loads(printed)["details"]
    assert details["ranks"] == 2
    assert details["weights_digest"] == local.details["weights_digest"]
