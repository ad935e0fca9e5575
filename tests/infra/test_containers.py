"""Images, compose file and manifests: what can be known of them without a container engine."""

import json
import os
import re
import shutil
import subprocess
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[2]
DOCKER = ROOT / "infra" / "docker"
MANIFESTS = sorted((ROOT / "infra" / "kubernetes").glob("*.yaml"))
TOOLS = ROOT / "build" / "linters" / "bin"
VERSION = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
# made by another room
LATER = {"airflow_dags", "airflow"}


def run(*command: str | Path, **changes: str) -> str:
    done = subprocess.run(
        command, capture_output=True, text=True, check=False, env={**os.environ, **changes}
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def dockerfile() -> str:
    return (DOCKER / "Dockerfile").read_text().replace("\\\n", " ")


def targets() -> set[str]:
    return set(re.findall(r"^FROM \S+ AS (\S+)", dockerfile(), re.MULTILINE))


def test_hadolint_finds_nothing_in_the_dockerfile() -> None:
    run(TOOLS / "hadolint", "--config", DOCKER / "hadolint.yaml", DOCKER / "Dockerfile")


def test_what_is_copied_into_the_images_is_there_and_reaches_the_builder() -> None:
    copies = re.findall(r"^COPY (?!--from)(?:--\S+ )*(.+) \S+$", dockerfile(), re.MULTILINE)
    names = {name for line in copies for name in line.split()}
    assert {"uv.lock", "infra", "jobs", "pipelines", "schemas"} <= names
    allowed = set(re.findall(r"^!(\S+)$", (ROOT / ".dockerignore").read_text(), re.MULTILINE))
    for name in names - LATER:
        assert (ROOT / name).exists()
        assert name.partition("/")[0] in allowed


def test_images_are_set_up_by_steps_of_the_set_up_that_is_tested() -> None:
    setup = (ROOT / "infra" / "bin" / "setup").read_text()
    known = set(re.findall(r"^  \[(\w+)\]=", setup, re.MULTILINE))
    found = re.findall(r'infra/bin/setup --steps "([\w ]+)"', dockerfile())
    taken = {step for line in found for step in line.split()}
    assert taken - LATER <= known
    assert {"environment", "jars", "log_store", "horovod", "s3"} <= taken
    # no other way to install Python's packages than by hash
    for line in re.findall(r"uv pip install[^&]*", dockerfile()):
        assert "--require-hashes" in line


def test_the_cuda_image_differs_from_the_lock_in_tensorflow_and_cuda_only() -> None:
    lock = tomllib.loads((ROOT / "uv.lock").read_text())["package"]
    locked = {package["name"]: package["version"] for package in lock}
    text = (DOCKER / "cuda.txt").read_text()
    pins = dict(re.findall(r"^([\w.-]+)==([\w.]+)", text, re.MULTILINE))
    assert pins["tensorflow"] == locked["tensorflow-cpu"]
    others = {name for name in pins if locked.get(name) != pins[name]}
    assert {name for name in others if not name.startswith("nvidia-")} == {"tensorflow"}
    assert "nvidia-nccl-cu12" in others


def test_no_image_runs_as_root_and_none_holds_a_secret() -> None:
    last = dockerfile().rpartition("FROM base AS spark")[2]
    assert re.findall(r"^USER (\S+)$", last, re.MULTILINE) == ["10001:10001"] * 2
    assert not re.search(r"(?i)(password|secret|token)=", dockerfile())
    assert "build" not in (ROOT / ".dockerignore").read_text().split()


@pytest.fixture(scope="module")
def compose(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The compose file as Docker Compose itself understands it."""
    file = DOCKER / "compose.yaml"
    said = run(TOOLS / "docker-compose", "--file", file, "config", "--format", "json")
    return json.loads(said)


def test_all_services_listen_on_loopback_without_rights(compose: dict[str, Any]) -> None:
    services = compose["services"]
    assert set(services) == {
        "airflow", "object-store", "postgres", "registry", "spark-master", "spark-worker",
    }  # fmt: skip
    for name, service in services.items():
        assert service["network_mode"] == "host", name
        assert "ports" not in service
        assert service["cap_drop"] == ["ALL"]
        assert service["security_opt"] == ["no-new-privileges:true"]
        assert "privileged" not in service
        # 0.0.0.0 would be all interfaces
        assert "0.0.0.0" not in json.dumps(service)
    for name in ("spark-master", "spark-worker", "postgres", "registry"):
        assert "127.0.0.1" in json.dumps(services[name]["command"]), name


def test_compose_names_images_that_the_dockerfile_makes(compose: dict[str, Any]) -> None:
    for name, service in compose["services"].items():
        if "build" not in service:
            # pinned: never latest
            assert name == "registry" or service["image"] == "postgres:16-bookworm"
            continue
        assert service["build"]["target"] in targets()
        assert service["image"] == f"gristmill/{service['build']['target']}:{VERSION}"
        assert Path(service["build"]["context"]) == ROOT


def test_secrets_come_from_files_only(compose: dict[str, Any]) -> None:
    for service in compose["services"].values():
        for name, value in (service.get("environment") or {}).items():
            if re.search("PASSWORD|SECRET|KEYS", name):
                assert value.startswith("/run/secrets/")
            assert not re.search(r"://[^/@]+:[^/@]+@", str(value))
    folder = ROOT / "build" / "secrets"
    for secret in compose["secrets"].values():
        assert Path(secret["file"]).parent == folder


def test_made_secrets_are_their_owners_only_and_stay(tmp_path: Path) -> None:
    script = tmp_path / "infra" / "docker" / "make-secrets"
    script.parent.mkdir(parents=True)
    shutil.copy(DOCKER / "make-secrets", script)
    run(script)
    folder = tmp_path / "build" / "secrets"
    made = {path.name: path.read_text() for path in folder.iterdir()}
    assert set(made) == {"object_store", "pgpass", "postgres", "spark"}
    assert all(path.stat().st_mode & 0o777 == 0o600 for path in folder.iterdir())
    assert made["pgpass"] == f"127.0.0.1:*:*:gristmill:{made['postgres']}"
    assert len(set(made.values())) == 4
    run(script)
    assert {path.name: path.read_text() for path in folder.iterdir()} == made


def manifests() -> Iterator[dict[str, Any]]:
    for path in MANIFESTS:
        yield from yaml.safe_load_all(path.read_text())


def of_kind(*kinds: str) -> list[dict[str, Any]]:
    return [item for item in manifests() if item["kind"] in kinds]


def pods() -> Iterator[dict[str, Any]]:
    for item in of_kind("Job"):
        yield item["spec"]["template"]
    for item in of_kind("CronJob"):
        yield item["spec"]["jobTemplate"]["spec"]["template"]


def test_manifests_follow_the_schemas_of_kubernetes() -> None:
    ours = [path for path in MANIFESTS if "SparkApplication" not in path.read_text()]
    assert len(ours) == len(MANIFESTS) - 1
    said = run(TOOLS / "kubernetes-validate", "--strict", "-k", "1.33", *ours)
    assert said.count(" passed for resource ") == len(list(manifests())) - 1


def test_no_pod_has_more_rights_than_it_needs() -> None:
    found = list(pods())
    assert len(found) == 2
    for pod in found:
        spec = pod["spec"]
        assert spec["securityContext"]["runAsNonRoot"]
        assert not spec["automountServiceAccountToken"]
        for container in spec["containers"]:
            assert container["securityContext"]["capabilities"] == {"drop": ["ALL"]}
            assert not container["securityContext"]["allowPrivilegeEscalation"]


def test_only_ranks_reach_ranks() -> None:
    policies = {item["metadata"]["name"]: item["spec"] for item in of_kind("NetworkPolicy")}
    assert policies["nobody-by-default"] == {
        "podSelector": {}, "policyTypes": ["Ingress", "Egress"],
    }  # fmt: skip
    ranks = policies["ranks-among-themselves"]
    (training,) = of_kind("Job")
    labels = training["spec"]["template"]["metadata"]["labels"]
    assert ranks["podSelector"]["matchLabels"].items() <= labels.items()
    peers = [{"podSelector": ranks["podSelector"]}]
    assert ranks["ingress"] == [{"from": peers}]
    assert ranks["egress"] == [{"to": peers}]


def test_the_ranks_of_a_training_agree_on_their_number_and_place() -> None:
    (training,), (service,) = of_kind("Job"), of_kind("Service")
    spec, name = training["spec"], training["metadata"]["name"]
    (container,) = spec["template"]["spec"]["containers"]
    given = {item["name"]: item.get("value") for item in container["env"]}
    assert spec["completions"] == spec["parallelism"] == int(given["RANKS"])
    assert given["FIRST_RANK"] == f"{name}-0.{service['metadata']['name']}"
    assert spec["template"]["spec"]["subdomain"] == service["metadata"]["name"]
    assert service["spec"]["selector"].items() <= spec["template"]["metadata"]["labels"].items()
    (port,) = service["spec"]["ports"]
    code = (ROOT / "infra" / "kubernetes" / "rank.py").read_text()
    assert f"\nPORT = {port['port']}\n" in code
    for word in container["args"]:
        assert not word.endswith(".py") or (ROOT / word).is_file()


def test_manifests_name_images_and_versions_of_this_project() -> None:
    text = "".join(path.read_text() for path in MANIFESTS)
    for name, version in re.findall(r"image: gristmill/(\S+):(\S+)", text):
        assert name in targets()
        assert version == VERSION
    (application,) = of_kind("SparkApplication")
    pins = (ROOT / "pyproject.toml").read_text()
    assert f'"pyspark=={application["spec"]["sparkVersion"]}"' in pins
    place = application["spec"]["mainApplicationFile"].removeprefix("local:///opt/gristmill/")
    assert (ROOT / place).is_file()


# --- the entry point, with programs beside it that say what they were told ----------------------
@pytest.fixture
def image(tmp_path: Path) -> Path:
    """What an image holds where this project is, less its environment."""
    for name in ("docker", "environment.sh", "java.sh"):
        source = ROOT / "infra" / name
        copy = shutil.copytree if source.is_dir() else shutil.copy
        (tmp_path / "infra").mkdir(exist_ok=True)
        copy(source, tmp_path / "infra" / name)
    for program in ("build/venv/bin/spark-submit", "build/venv/bin/spark-class", "jvm/bin/java"):
        path = tmp_path / program
        path.parent.mkdir(parents=True, exist_ok=True)
        banner = """[ "$1" = -version ] && { echo 'openjdk version "17"' >&2; exit; }"""
        path.write_text(f'#!/bin/sh\n{banner}\necho "{path.name}" "$SPARK_LOCAL_IP" "$@"\n')
        path.chmod(0o755)
    (tmp_path / "build" / "spark-conf").mkdir()
    settings = tmp_path / "build" / "spark-conf" / "spark-defaults.conf"
    settings.write_text("spark.master local[2,4]\n")
    return tmp_path


def entry(image: Path, *words: str, **environment: str) -> str:
    environment["JAVA_HOME"] = str(image / "jvm")
    return run(image / "infra" / "docker" / "entrypoint", *words, **environment)


def test_the_entry_point_starts_masters_and_workers(image: Path) -> None:
    assert entry(image, "master", "127.0.0.1", "7077") == (
        "spark-class 127.0.0.1 org.apache.spark.deploy.master.Master --host 127.0.0.1 --port 7077 "
        "--webui-port 0\n"
    )
    assert entry(image, "worker", "spark://127.0.0.1:7077", "--cores", "2") == (
        "spark-class 127.0.0.1 org.apache.spark.deploy.worker.Worker --webui-port 0 --cores 2 "
        "spark://127.0.0.1:7077\n"
    )


def test_the_entry_point_keeps_the_secret_to_its_owner(image: Path, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("word\n")
    settings = image / "build" / "spark-conf" / "spark-defaults.conf"
    secret = str(tmp_path / "secret")
    entry(image, "true", SPARK_SECRET_FILE=secret)
    # a container that starts again
    shown = entry(image, "cat", str(settings), SPARK_SECRET_FILE=secret)
    assert shown.splitlines() == [
        "spark.master local[2,4]",
        "spark.authenticate true",
        "spark.network.crypto.enabled true",
        "spark.authenticate.secret word",
    ]
    assert settings.stat().st_mode & 0o777 == 0o600


def test_the_entry_point_plays_drivers_and_executors_of_kubernetes(image: Path) -> None:
    driver = entry(image, "driver", "--class", "x", SPARK_DRIVER_BIND_ADDRESS="192.0.2.7")
    assert driver == (
        "spark-submit 192.0.2.7 --conf spark.driver.bindAddress=192.0.2.7 --conf "
        "spark.executorEnv.SPARK_DRIVER_POD_IP=192.0.2.7 --deploy-mode client --class x\n"
    )
    told = {
        "SPARK_JAVA_OPT_0": "-Da=b",
        "SPARK_JAVA_OPT_1": "-Dc=d",
        "SPARK_EXECUTOR_MEMORY": "2g",
        "SPARK_DRIVER_URL": "spark://driver",
        "SPARK_EXECUTOR_ID": "1",
        "SPARK_EXECUTOR_CORES": "2",
        "SPARK_APPLICATION_ID": "app",
        "SPARK_EXECUTOR_POD_IP": "192.0.2.8",
        "SPARK_RESOURCE_PROFILE_ID": "0",
        "SPARK_EXECUTOR_POD_NAME": "pod",
    }
    executor = entry(image, "executor", **told)
    assert executor.startswith("java 192.0.2.8 -Da=b -Dc=d -Xms2g -Xmx2g -cp ")
    assert "/pyspark/jars/*:" in executor
    assert executor.endswith("--hostname 192.0.2.8 --resourceProfileId 0 --podName pod\n")
