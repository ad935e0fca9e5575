import json
import os
import subprocess
from importlib.metadata import version
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def environment() -> dict[str, str]:
    """What a process sees where the shell had set other things before."""
    script = f"""
        export SPARK_HOME=/elsewhere PYTHONPATH=/elsewhere OMP_NUM_THREADS=64
        source "{ROOT}/infra/environment.sh"
        exec python -c 'import json, os; print(json.dumps(dict(os.environ)))'
    """
    done = subprocess.run(["bash", "-ec", script], capture_output=True, text=True, check=True)
    return json.loads(done.stdout)


@pytest.mark.parametrize(
    "name",
    [
        "MKL_NUM_THREADS",
        "NUMEXPR_NUM_THREADS",
        "OMP_NUM_THREADS",
        "OPENBLAS_NUM_THREADS",
        "TF_NUM_INTEROP_THREADS",
        "TF_NUM_INTRAOP_THREADS",
    ],
)
def test_each_rank_has_one_thread(environment: dict[str, str], name: str) -> None:
    assert environment[name] == "1"


def test_nothing_is_reported_to_anybody(environment: dict[str, str]) -> None:
    assert environment["DO_NOT_TRACK"] == "1"
    assert environment["GX_ANALYTICS_ENABLED"] == "false"
    assert environment["MLFLOW_DISABLE_TELEMETRY"] == "true"


def test_another_spark_or_python_path_does_not_get_in(environment: dict[str, str]) -> None:
    assert "SPARK_HOME" not in environment
    assert "PYTHONPATH" not in environment
    assert environment["PYTHONNOUSERSITE"] == "1"
    assert environment["SPARK_CONF_DIR"] == str(ROOT / "build" / "spark-conf")
    assert environment["PYSPARK_PYTHON"] == str(ROOT / "build" / "venv" / "bin" / "python")


def test_the_tests_run_in_that_environment(environment: dict[str, str]) -> None:
    for name in ("OMP_NUM_THREADS", "SPARK_CONF_DIR", "PYSPARK_PYTHON", "JAVA_HOME"):
        assert os.environ.get(name) == environment[name], f"{name}: start with infra/bin/test"


def test_spark_listens_on_this_machine_only_and_takes_local_jars() -> None:
    lines = (ROOT / "build" / "spark-conf" / "spark-defaults.conf").read_text().splitlines()
    settings = dict(line.split(maxsplit=1) for line in lines if line and not line.startswith("#"))
    assert settings["spark.driver.bindAddress"] == "127.0.0.1"
    assert settings["spark.ui.enabled"] == "false"
    jars = [Path(jar) for jar in settings["spark.jars"].split(",")]
    assert jars[3].name == "gristmill-log-store.jar"
    # what set-up adds for tables on S3, as the tests' set-up does
    pinned = (ROOT / "infra" / "storage" / "s3a.sha256").read_text().splitlines()
    names = [line.split()[1] for line in pinned]
    assert [jar.name for jar in jars[4:]] == [*names, "gristmill-s3-log-store.jar"]
    assert all(jar.is_file() for jar in jars)


def test_the_jar_is_of_the_same_delta_as_the_python_package() -> None:
    coordinates = (ROOT / "infra" / "spark" / "coordinates.txt").read_text().strip()
    assert coordinates == f"io.delta:delta-spark_2.13:{version('delta-spark')}"


def test_no_setuptools_at_run_time() -> None:
    folder = ROOT / "build" / "venv" / "lib" / "python3.11" / "site-packages"
    assert list(folder.glob("petastorm"))
    assert list(folder.glob("setuptools*")) == []


def test_spark_loads_its_classes_from_the_archive(tmp_path: Path) -> None:
    lines = (ROOT / "build" / "spark-conf" / "spark-defaults.conf").read_text().splitlines()
    settings = dict(line.split(maxsplit=1) for line in lines if line and not line.startswith("#"))
    java = Path(os.environ["JAVA_HOME"]) / "bin" / "java"
    options = settings["spark.driver.extraJavaOptions"].split()
    # as spark-submit puts it together: our jars, the folder of settings, Spark's own
    jars = settings["spark.driver.extraClassPath"]
    path = f"{jars}:{ROOT / 'build' / 'spark-conf'}/:{jars.partition(':')[0]}"
    log = tmp_path / "classes.log"
    program = ["org.apache.spark.deploy.SparkSubmit", "--version"]
    command = [java, *options, f"-Xlog:class+load:file={log}", "-cp", path, *program]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout == ""  # it belongs to a job's JSON line
    named = [line for line in log.read_text().splitlines() if " org.apache.spark." in line]
    loaded = [line for line in named if "$Lambda" not in line]  # made anew by each process
    archived = [line for line in loaded if "shared objects file (top)" in line]
    assert len(archived) > 0.9 * len(loaded) > 0
