"""``infra/bin/submit`` on a real standalone cluster of two workers, and what it refuses."""

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyspark
import pytest

from tests.end_to_end.checkout import Checkout, make_checkout
from tests.spark_cluster import SparkCluster, spark_cluster

ROOT = Path(__file__).parents[2]
SPARK = Path(pyspark.__file__).parent
# executors of one core each, small enough for the workers
SMALL = [
    *("--conf", "spark.executor.cores=1", "--conf", "spark.executor.memory=512m"),
    *("--conf", "spark.driver.memory=1g"),
]


def submit(*words: str, folder: Path = ROOT) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [str(folder / "infra" / "bin" / "submit"), *words],
        capture_output=True,
        text=True,
        check=False,
        timeout=900,
    )


def said(done: "subprocess.CompletedProcess[str]") -> list[dict[str, Any]]:
    return [json.loads(line) for line in done.stderr.splitlines()]


@dataclass(frozen=True, slots=True)
class _Place:
    """A checkout with a small data set, a cluster, and what is sent there."""

    checkout: Checkout
    cluster: SparkCluster
    environment: Path
    folder: Path

    def submit(self, job: str, *flags: str) -> "subprocess.CompletedProcess[str]":
        where = ["--master", self.cluster.master, "--secret-file", str(self.cluster.secret_file)]
        sent = ["--environment", str(self.environment), "--run-id", "run-7"]
        events = ["--conf", f"spark.eventLog.dir=file:{self.folder / 'events'}"]
        common = ["--dataset", "parcels", "--root", str(self.folder / "lake")]
        return submit(
            job, *common, *flags, *where, *sent, *events, *SMALL, folder=self.checkout.folder
        )


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[_Place]:
    folder = tmp_path_factory.mktemp("cluster")
    (folder / "events").mkdir(mode=0o700)
    checkout = make_checkout(folder / "checkout")
    shutil.copytree(ROOT / "infra", checkout.folder / "infra")
    (checkout.folder / "build").symlink_to(ROOT / "build")
    subprocess.run([ROOT / "infra" / "bin" / "package", "--to", folder], check=True)
    with spark_cluster(folder, [None, None]) as cluster:
        yield _Place(checkout, cluster, folder / "environment-spark.tar.gz", folder)


@pytest.fixture(scope="module")
def ingested(place: _Place) -> "subprocess.CompletedProcess[str]":
    raw = place.checkout.folder / "raw"
    places = [f"{name}={raw / name}.csv" for name in ("parcels", "depots")]
    return place.submit("ingest", "--sources", *places)


def test_a_job_runs_on_the_workers_and_its_line_is_all_of_stdout(
    place: _Place, ingested: "subprocess.CompletedProcess[str]"
) -> None:
    assert ingested.returncode == 0, ingested.stderr
    (line,) = ingested.stdout.splitlines()
    rows = json.loads(line)["rows"]["parcels"]
    assert rows["kept"] == 3050
    assert rows["quarantined"] == {"type:parcel_id": 10}
    for item in said(ingested):
        assert (item["run"], item["job"], item["dataset"]) == ("run-7", "ingest", "parcels")
        assert item["level"] in ("INFO", "WARN")
    assert len(list((place.folder / "events").iterdir())) == 1


def test_each_worker_has_a_python_that_stands_alone(
    place: _Place, ingested: "subprocess.CompletedProcess[str]"
) -> None:
    assert ingested.returncode == 0
    code = "import sys, numpy, pandas, pyarrow, pipelines.transforms.encode as e\nprint(sys.path)"
    for number in range(2):
        (found,) = place.folder.glob(f"worker-{number}/app-*/*/environment/bin/python")
        here = found.parents[2]
        spark = [str(path) for path in (SPARK / "python" / "lib").glob("*.zip")]
        # as Spark starts it: the code that was sent, and Spark's own Python
        environment = {"PYTHONPATH": ":".join(["./gristmill", *spark]), "PATH": os.defpath}
        done = subprocess.run(
            [found, "-c", code], cwd=here, env=environment, capture_output=True, text=True,
            check=True,
        )  # fmt: skip
        assert str(ROOT / "build" / "venv" / "lib") not in done.stdout.replace(str(SPARK), "")
        assert str(place.checkout.folder) not in done.stdout


@pytest.mark.slow
def test_tasks_in_python_run_on_the_workers_through_the_whole_preparation(
    place: _Place, ingested: "subprocess.CompletedProcess[str]"
) -> None:
    def passed(done: "subprocess.CompletedProcess[str]") -> dict[str, Any]:
        assert done.returncode == 0, done.stderr
        result = json.loads(done.stdout)
        validated = place.submit("validate", "--inputs", *result["tables"])
        assert validated.returncode == 0, validated.stderr
        return result

    raw = passed(ingested)["tables"]
    parcels, depots = passed(place.submit("deduplicate", "--inputs", *raw))["tables"]
    split = passed(place.submit("split", "--inputs", parcels))["tables"]
    imputed = passed(place.submit("impute", "--inputs", *split))["tables"]
    features = passed(place.submit("engineer_features", "--inputs", *imputed, depots))
    assert sum(table.startswith(str(place.folder)) for table in features["tables"]) == 1


def test_a_job_that_fails_has_its_exit_code_and_one_line() -> None:
    done = submit("split", "--cluster", "local", "--dataset", "flights", "--rot", "lake")
    assert done.returncode == 2
    assert done.stdout == ""
    (error,) = [line["message"] for line in said(done) if line["level"] == "ERROR"]
    assert error.startswith("error: ")
    assert "--rot" in error or "--root" in error


NOWHERE = "spark://127.0.0.1:1"


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (
            "ingst --cluster local",
            "unknown job 'ingst'; expected one of cross_validate, deduplicate",
        ),
        ("train --cluster local", "train starts no Spark; run it as python jobs/train.py"),
        ("ingest --dataset flights", "expected --master, or --cluster with one of local, st"),
        ("ingest --cluster standalone", "needs --master spark://HOST:7077; none came"),
        ("ingest --cluster yarn --master k8s://https://h:1", "contradict each other"),
        ("ingest --master mesos://h:1", "expected local[N], spark://HOST:PORT, yarn or"),
        ("ingest --master yarn", "yarn needs --hadoop-conf, the folder of yarn-site.xml"),
        ("ingest --master k8s://https://127.0.0.1:1", "kubernetes needs --image"),
        (f"ingest --master {NOWHERE} --environment installed", "the master does not answer"),
        (f"ingest --master {NOWHERE} --environment none.tar.gz", "expected the Python environm"),
        ("ingest --master spark://192.0.2.1:7077", "give --secret-file with the secret"),
        (f"ingest --master {NOWHERE} --secret-file none", "expected a file with the secret"),
    ],
)
def test_what_can_not_be_submitted_is_one_line(words: str, expected: str) -> None:
    done = submit(*words.split())
    assert done.returncode == 1
    assert done.stdout == ""
    (line,) = done.stderr.splitlines()
    assert line.startswith("error: ")
    assert expected in line


def test_a_secret_that_others_can_read_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "secret"
    path.write_text("word")
    path.chmod(0o644)
    done = submit("ingest", "--master", NOWHERE, "--secret-file", str(path))
    assert done.stderr == f"error: --secret-file {path}: others can read it; chmod 600 it\n"


def printed(*words: str) -> list[str]:
    done = submit("ingest", "--dataset", "flights", "--root", "/lake", "--print", *words)
    assert done.returncode == 0, done.stderr
    return done.stdout.split()


def settings(cluster: str) -> dict[str, str]:
    text = (ROOT / "build" / "spark-clusters" / cluster / "spark-defaults.conf").read_text()
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    return dict(line.split(maxsplit=1) for line in lines)


def test_the_command_for_a_standalone_master_sends_code_and_environment(tmp_path: Path) -> None:
    archive = tmp_path / "environment.tar.gz"
    archive.touch()
    words = printed("--master", NOWHERE, "--environment", str(archive), "--conf", "spark.a=b")
    assert words[: words.index("spark-submit")] == [
        "env",
        f"SPARK_CONF_DIR={ROOT}/build/spark-clusters/standalone",
        f"PYTHONPATH={ROOT}",
        "SPARK_LOCAL_IP=127.0.0.1",
    ]
    sent = words[words.index("--archives") + 1].strip("'")
    assert sent == f"{ROOT}/build/cluster/code.zip#gristmill,{archive}#environment"
    for setting in (
        "spark.driver.bindAddress=127.0.0.1",
        "spark.pyspark.python=./environment/bin/python",
        "spark.executorEnv.PYTHONPATH=./gristmill",
        "spark.a=b",
    ):
        assert setting in words
    assert words[-5:] == [f"{ROOT}/jobs/ingest.py", "--dataset", "flights", "--root", "/lake"]


def test_the_command_for_kubernetes_names_the_image_and_sends_nothing() -> None:
    master = "k8s://https://192.0.2.1:6443"
    words = printed("--master", master, "--image", "registry.example.org/gristmill:1")
    assert "spark.kubernetes.container.image=registry.example.org/gristmill:1" in words
    assert "--archives" not in words
    assert "local:///opt/gristmill/jobs/ingest.py" in words
    # nothing of this machine
    assert str(ROOT) not in " ".join(settings("kubernetes").values())


def test_the_command_for_yarn_reads_where_the_resource_manager_is(tmp_path: Path) -> None:
    name = "<property><name>yarn.resourcemanager.hostname</name><value>127.0.0.1</value></property>"
    (tmp_path / "yarn-site.xml").write_text(f"<configuration>{name}</configuration>")
    words = printed(
        "--master", "yarn", "--hadoop-conf", str(tmp_path), "--environment", "installed"
    )
    assert f"HADOOP_CONF_DIR={tmp_path}" in words
    assert "spark.driver.host=127.0.0.1" in words
    done = submit("ingest", "--master", "yarn", "--hadoop-conf", str(tmp_path),
                  "--environment", "installed")  # fmt: skip
    assert "127.0.0.1:8032: Connection refused" in done.stderr


@pytest.mark.parametrize("cluster", ["standalone", "yarn", "kubernetes"])
def test_beyond_this_machine_who_speaks_must_know_the_secret(cluster: str) -> None:
    found = settings(cluster)
    assert found["spark.authenticate"] == "true"
    assert found["spark.network.crypto.enabled"] == "true"
    assert found.get("spark.ui.enabled", "false") == "false"


@pytest.mark.parametrize("cluster", ["local", "standalone", "yarn"])
def test_events_are_kept_where_only_their_owner_can_enter(cluster: str) -> None:
    found = settings(cluster)
    assert found["spark.eventLog.enabled"] == "true"
    folder = Path(found["spark.eventLog.dir"].removeprefix("file:"))
    assert folder.stat().st_mode & 0o777 == 0o700
    assert folder.stat().st_uid == os.geteuid()
