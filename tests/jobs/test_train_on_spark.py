"""Training on a real Spark cluster: a standalone master and two workers on loopback."""

import json
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import pytest

from pipelines.cli import to_flags
from pipelines.train import TrainParams, launch_training
from tests.pipelines.loading.tables import rows, write_table
from tests.pipelines.test_train import make_params

pytestmark = pytest.mark.slow
ROOT = Path(__file__).parents[2]


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return server.getsockname()[1]


def _wait_for(port: int) -> None:
    deadline = time.monotonic() + 60
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            assert time.monotonic() < deadline, "the master does not answer"
            time.sleep(0.2)
        else:
            return


@pytest.fixture(scope="module")
def master(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder, port = tmp_path_factory.mktemp("cluster"), _free_port()
    address = f"spark://127.0.0.1:{port}"
    common = ["--host", "127.0.0.1", "--webui-port", "0"]
    deploy = "org.apache.spark.deploy"
    commands = [["spark-class", f"{deploy}.master.Master", *common, "--port", str(port)]]
    for number in range(2):
        place = ["--cores", "1", "--memory", "1g", "--work-dir", str(folder / f"worker-{number}")]
        commands.append(["spark-class", f"{deploy}.worker.Worker", *common, *place, address])
    with ExitStack() as stack:
        for number, command in enumerate(commands):
            log = stack.enter_context((folder / f"{number}.log").open("wb"))
            process = stack.enter_context(subprocess.Popen(command, stdout=log, stderr=log))
            stack.callback(process.kill)
            if number == 0:
                _wait_for(port)
        yield address


@pytest.fixture(scope="module")
def params(tmp_path_factory: pytest.TempPathFactory) -> TrainParams:
    folder = tmp_path_factory.mktemp("toy")
    train = [rows(500, seed=1), rows(500, seed=2), rows(231, seed=3)]
    write_table(folder / "features", {"train": train, "validation": [rows(300, seed=4)]})
    return make_params(folder, epochs=3)


def test_ranks_on_a_spark_cluster_train_the_model_of_local_ranks(
    master: str, params: TrainParams, tmp_path: Path
) -> None:
    local = launch_training(replace(params, root=str(tmp_path / "local")), 2)
    flags = to_flags(replace(params, root=str(tmp_path / "cluster")))
    memory = ["--driver-memory", "1g", "--executor-memory", "512m"]
    job = [str(ROOT / "jobs" / "train_on_spark.py"), "--np", "2", "--interfaces", "lo", *flags]
    done = subprocess.run(
        ["spark-submit", "--master", master, *memory, *job],
        capture_output=True,
        text=True,
        check=False,
        timeout=400,
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    result = json.loads(done.stdout.strip().splitlines()[-1])
    assert result["details"]["ranks"] == 2
    assert result["details"]["weights_digest"] == local.details["weights_digest"]
