"""What is installed, by hashes, and what is known of it."""

import hashlib
import json
import re
import subprocess
import sys
import tomllib
from datetime import date, timedelta
from importlib.metadata import distributions
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
AUDIT = ROOT / "infra" / "security" / "audit.py"
FILE = ROOT / "infra" / "security" / "advisories.json"
KNOWN: dict[str, Any] = json.loads(FILE.read_text())
# the tests do not turn red with the calendar; the command does
REVIEWED = KNOWN["reviewed"]


def _audit(*flags: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, str(AUDIT), *flags], capture_output=True, text=True, check=False
    )


@pytest.fixture(scope="module")
def bill(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The bill of materials of this environment; the audit that wrote it passed."""
    path = tmp_path_factory.mktemp("audit") / "sbom.json"
    done = _audit("--today", REVIEWED, "--sbom", str(path))
    assert done.returncode == 0, done.stderr
    made = json.loads(path.read_text())
    num_named, num_found = map(int, re.findall(r"audit: (\d+) of (\d+) ", done.stdout)[0])
    # this project is the bill's subject, and no component of it
    assert num_named == num_found == len(made["components"]) + 1
    return made


@pytest.mark.proves("S6")
def test_a_review_that_is_older_than_30_days_fails() -> None:
    done = _audit("--today", str(date.fromisoformat(REVIEWED) + timedelta(31)))
    assert done.returncode == 1
    assert f"was reviewed on {REVIEWED}, 31 days before" in done.stderr


@pytest.mark.proves("S6")
def test_what_was_not_reviewed_and_what_has_no_guard_that_holds_fails(tmp_path: Path) -> None:
    one, two, three, four, *others = KNOWN["advisories"]
    changed = [
        one | {"until": "2026-01-01"},
        two | {"guard": ""},
        three | {"version": "0.1"},
        four | {"component": "pypi:numpy", "version": "absent"},
    ]
    named = [name for name in KNOWN["components"] if not name.startswith("pypi:keras ")]
    path = tmp_path / "advisories.json"
    path.write_text(json.dumps({**KNOWN, "components": named, "advisories": [*changed, *others]}))
    done = _audit("--advisories", str(path), "--today", REVIEWED)
    assert done.returncode == 1
    for message in (
        "pypi:keras 3.15.1 is installed and advisories.json does not name it",
        f"{one['component']}: its guard was accepted until 2026-01-01",
        f"{two['component']}: its entry in advisories.json lacks ['guard']",
        f"{three['component']}: its advisories were judged for 0.1; found",
        "pypi:numpy ['1.26.4'] is installed; it must be absent",
    ):
        assert message in done.stderr


@pytest.mark.proves("S6")
def test_an_audit_of_nothing_fails_and_so_does_a_review_of_the_future(tmp_path: Path) -> None:
    (tmp_path / "pyspark" / "jars").mkdir(parents=True)
    done = _audit("--site", str(tmp_path), "--today", "2020-01-01")
    assert done.returncode == 1
    for message in (
        "keras 3.15.1 is pinned; found none installed",
        "pypi:horovod: its advisories were judged for 0.28.1; found none installed",
        f"was reviewed on {REVIEWED}, -",
    ):
        assert message in done.stderr


def test_the_table_of_the_decisions_is_that_of_the_file() -> None:
    text = (ROOT / "infra" / "decisions" / "dependencies.md").read_text()
    assert f"\n\n{_audit('--table').stdout}\n" in text
    assert KNOWN["components"] == sorted(set(KNOWN["components"]))
    names = [entry["component"] for entry in KNOWN["advisories"]]
    assert names == sorted(names)


@pytest.mark.proves("S7")
def test_the_bill_lists_each_distribution_with_its_digest(bill: dict[str, Any]) -> None:
    assert (bill["bomFormat"], bill["specVersion"]) == ("CycloneDX", "1.6")
    parts = {part["purl"]: part for part in bill["components"]}
    names = {item.metadata["Name"].lower().replace("_", "-") for item in distributions()}
    listed = {part["name"] for part in bill["components"] if part["purl"].startswith("pkg:pypi/")}
    assert {"keras", "pyspark", "horovod", "great-expectations"} <= names & listed
    lock = (ROOT / "uv.lock").read_text()
    for purl, part in parts.items():
        digest = part["hashes"][0]["content"]
        assert re.fullmatch(r"[0-9a-f]{64}", digest), purl
        if purl.startswith("pkg:pypi/") and part["name"] != "horovod":
            assert f'hash = "sha256:{digest}"' in lock, purl
    refs = [part["bom-ref"] for part in bill["components"]]
    assert len(refs) == len({*refs})


@pytest.mark.proves("S7")
def test_the_bill_lists_each_jar_with_the_digest_of_its_file(bill: dict[str, Any]) -> None:
    listed = {
        item["value"]: part["hashes"][0]["content"]
        for part in bill["components"]
        for item in part.get("properties", ())
    }
    site = ROOT / "build" / "venv" / "lib" / "python3.11" / "site-packages"
    jars = [*(site / "pyspark" / "jars").glob("*.jar"), *(ROOT / "build" / "jars").glob("*.jar")]
    assert len(jars) > 200
    for jar in jars:
        assert listed[jar.name] == hashlib.sha256(jar.read_bytes()).hexdigest()
    log4j = next(part for part in bill["components"] if part["name"] == "log4j-core")
    assert log4j["purl"] == "pkg:maven/org.apache.logging.log4j/log4j-core@2.24.3"


@pytest.mark.proves("S8")
def test_nothing_at_run_time_can_import_an_old_setuptools() -> None:
    found = {item.metadata["Name"].lower(): item.version for item in distributions()}
    assert "petastorm" in found
    assert int(found.get("setuptools", "83").partition(".")[0]) >= 83
    code = (
        "import importlib.util as u; print(u.find_spec('setuptools'), u.find_spec('pkg_resources'))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "None None\n"


def _requirements(path: Path) -> list[str]:
    text = path.read_text().replace("\\\n", " ")
    return [line for line in text.splitlines() if line.strip() and not line.startswith("#")]


@pytest.mark.proves("S5")
def test_every_file_in_the_lock_has_a_hash() -> None:
    packages = tomllib.loads((ROOT / "uv.lock").read_text())["package"]
    assert len(packages) > 150
    for package in packages:
        files = [*package.get("wheels", ()), *([package["sdist"]] if "sdist" in package else [])]
        if package["name"] == "gristmill":
            assert package["source"] == {"editable": "."}
            continue
        assert set(package["source"]) == {"registry"}, package["name"]
        assert files, package["name"]
        assert all(re.fullmatch(r"sha256:[0-9a-f]{64}", file["hash"]) for file in files)


@pytest.mark.proves("S5")
@pytest.mark.parametrize(
    "name",
    [
        "uv-requirements.txt",
        "airflow/requirements.txt",
        "horovod/build-requirements.txt",
        "horovod/requirements.txt",
        "peers/requirements.txt",
        "peers/opencv.txt",
        "peers/deequ.txt",
    ],
)
def test_every_requirement_is_pinned_by_hash(name: str) -> None:
    lines = _requirements(ROOT / "infra" / name)
    assert lines
    bad = [
        line for line in lines if not re.match(r"[\w.\[\]-]+==\S+.*\s--hash=sha256:\w{64}", line)
    ]
    assert bad == []


@pytest.mark.proves("S5")
def test_every_command_that_installs_asks_for_hashes() -> None:
    """Set-up and benchmarks: ``uv sync --locked`` holds to the lock, the others say so."""
    scripts = [
        ROOT / "infra" / name for name in ("steps.sh", "horovod/build", "bin/bench", "bin/setup")
    ]
    found: list[str] = []
    for script in scripts:
        text = re.sub(r"\\\n", " ", script.read_text())
        text = text.replace('"${requirements[@]}"', "--require-hashes")
        found += re.findall(
            r"^.*(?:pip install|pip download|pip sync|uv sync) .*$", text, re.MULTILINE
        )
    installs = [
        line for line in found if not re.search(r"\bpip install (--quiet )?--no-index", line)
    ]
    assert len(installs) >= 7
    unsafe = [
        line for line in installs if not re.search("--require-hashes|--locked|[.]whl|wheel", line)
    ]
    assert unsafe == []
    # the project itself is built by what the lock holds
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text())
    assert settings["tool"]["uv"]["no-build-isolation-package"] == ["gristmill"]
    wanted = {*settings["build-system"]["requires"]}
    assert wanted <= {*settings["dependency-groups"]["build"]}


@pytest.mark.proves("S5")
def test_jars_are_those_of_their_lists() -> None:
    for folder, name in (("jars", "spark/jars.sha256"), ("s3proxy", "s3/server.sha256")):
        lines = (ROOT / "infra" / name).read_text().splitlines()
        wanted = {line.split()[1]: line.split()[0] for line in lines}
        jars = {path.name: path for path in (ROOT / "build" / folder).iterdir()}
        assert {*jars} - {"gristmill-log-store.jar"} == {*wanted}  # that one is compiled here
        for jar, digest in wanted.items():
            assert hashlib.sha256(jars[jar].read_bytes()).hexdigest() == digest
