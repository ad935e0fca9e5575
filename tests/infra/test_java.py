"""Set-up with a Java that is absent or wrong, in a PATH and a folder of Javas made up here."""

import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
TOOLS = ("bash", "cat", "cut", "dirname", "head", "readlink", "sed", "sha256sum")
BANNER = {
    "8": 'openjdk version "1.8.0_412"',
    "11": 'openjdk version "11.0.23" 2024-04-16',
    "17": 'openjdk version "17.0.15" 2025-04-15',
    "21": 'openjdk version "21" 2023-09-19',
    "25": 'openjdk version "25.0.1" 2025-10-21 LTS',
}


class Machine:
    """A PATH with nothing but a few tools, ``id`` of an ordinary user, and the Javas put there."""

    def __init__(self, folder: Path) -> None:
        self.bin = folder / "bin"
        self.jvms = folder / "jvm"
        self.jvms.mkdir()
        self.bin.mkdir()
        for tool in TOOLS:
            (self.bin / tool).symlink_to(f"/usr/bin/{tool}")
        write_executable(self.bin / "id", "echo 1000")

    def add_java(self, version: str, *, on_path: bool = False) -> Path:
        home = self.jvms / f"java-{version}"
        (home / "bin").mkdir(parents=True)
        java = home / "bin" / "java"
        write_executable(java, f"echo '{BANNER[version]}' >&2")
        if on_path:
            (self.bin / "java").symlink_to(java)
        return home

    def run(self, command: str, java_home: Path | None = None) -> subprocess.CompletedProcess[str]:
        variables = {"PATH": str(self.bin), "GRISTMILL_JVM_FOLDER": str(self.jvms)}
        if java_home:
            variables["JAVA_HOME"] = str(java_home)
        script = f'source "{ROOT}/infra/environment.sh"; source "{ROOT}/infra/steps.sh"; {command}'
        return subprocess.run(
            ["/usr/bin/bash", "-c", script],
            capture_output=True,
            text=True,
            check=False,
            env=variables,
            timeout=60,
        )


def write_executable(path: Path, body: str) -> None:
    path.write_text(f"#!/usr/bin/bash\n{body}\n")
    path.chmod(0o755)


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


def test_no_java_is_named_with_what_to_install(machine: Machine) -> None:
    assert machine.run("has_java").returncode == 1
    done = machine.run("do_java")
    assert done.returncode == 1
    assert "Java 17 or 21: not found" in done.stderr
    assert "sudo apt-get install openjdk-17-jdk-headless" in done.stderr


@pytest.mark.parametrize("version", ["8", "11", "25"])
def test_a_java_that_spark_cannot_run_on_is_refused_by_name(machine: Machine, version: str) -> None:
    home = machine.add_java(version, on_path=True)
    assert machine.run("has_java").returncode == 1
    done = machine.run("do_java")
    assert done.returncode == 1
    assert f"{home} is Java {version}; Spark needs 17 or 21: passed over" in done.stderr
    assert "apt-get install" in done.stderr


@pytest.mark.parametrize("version", ["17", "21"])
def test_a_java_that_fits_is_taken(machine: Machine, version: str) -> None:
    home = machine.add_java(version, on_path=True)
    done = machine.run('has_java && echo "$JAVA_HOME"')
    assert (done.returncode, done.stdout.strip()) == (0, str(home))


def test_a_wrong_java_on_path_is_bypassed(machine: Machine) -> None:
    machine.add_java("25", on_path=True)
    home = machine.add_java("17")
    assert machine.run('echo "$JAVA_HOME"').stdout.strip() == str(home)


def test_a_wrong_java_home_is_bypassed(machine: Machine) -> None:
    wrong = machine.add_java("11")
    home = machine.add_java("21")
    assert machine.run('echo "$JAVA_HOME"', java_home=wrong).stdout.strip() == str(home)
