"""What is installed: Python distributions and jars, with versions, digests and package URLs."""

import hashlib
import re
import tomllib
import zipfile
from dataclasses import dataclass
from importlib.metadata import distributions
from pathlib import Path
from typing import Any

from packaging.tags import sys_tags
from packaging.utils import canonicalize_name, parse_wheel_filename

ROOT = Path(__file__).parents[2]
PROJECT = "gristmill"
_PIN = re.compile(r"^(?P<name>[\w.-]+)(?:\[\w+\])?==(?P<version>[\w.]+)", re.MULTILINE)
_JAR = re.compile(r"(?P<name>.+)-(?P<version>\d[\w.]*(?:-[A-Za-z][\w-]*)?)\.jar")


@dataclass(frozen=True, slots=True, order=True)
class Component:
    """One installed part; ``key`` names it in advisories.json, as pypi:NAME or jar:FILE.

    ``sha256`` is that of the wheel or sdist in the lock, or of the jar's file; empty for this
    project itself.
    """

    key: str
    version: str
    purl: str
    sha256: str = ""
    path: str = ""


def installed(root: Path = ROOT, site: Path | None = None) -> list[Component]:
    """Give every distribution of the environment and every jar beside it, in order.

    Args:
        root: Folder of the project, set up.
        site: Folder of the distributions, ``build/venv`` by default.
    """
    found = site or next((root / "build" / "venv" / "lib").glob("python*/site-packages"))
    build = root / "build"
    jars = [found / "pyspark" / "jars", *(build / at for at in ("jars", "s3proxy", "storage"))]
    return sorted(
        {*_python(root, found), *(_jar(path) for at in jars for path in at.glob("*.jar"))}
    )


def pinned(root: Path = ROOT) -> dict[str, str]:
    """Versions that pyproject.toml asks for, with Horovod's, by name."""
    project = tomllib.loads((root / "pyproject.toml").read_text())
    texts = [*project["project"]["dependencies"], *project["dependency-groups"]["dev"]]
    texts.append((root / "infra" / "horovod" / "requirements.txt").read_text())
    pairs = [_PIN.search(text) for text in texts]
    return {canonicalize_name(found["name"]): found["version"] for found in pairs if found}


def _python(root: Path, site: Path) -> list[Component]:
    locked = {
        package["name"]: package
        for package in tomllib.loads((root / "uv.lock").read_text())["package"]
    }
    made: list[Component] = []
    for item in distributions(path=[str(site)]):
        name = canonicalize_name(item.metadata["Name"])
        digest = _wheel_digest(locked.get(name, {}))
        if name == "horovod":
            digest = _horovod_digest(root, site)
        purl = f"pkg:pypi/{name}@{item.version}"
        made.append(Component(f"pypi:{name}", item.version, purl, digest))
    return made


def _wheel_digest(package: dict[str, Any]) -> str:
    """SHA-256 of the file that an installer takes on this machine: the best wheel, or the sdist."""
    wheels: dict[Any, str] = {}
    for wheel in package.get("wheels", ()):
        _, _, _, tags = parse_wheel_filename(wheel["url"].rpartition("/")[2])
        wheels |= dict.fromkeys(tags, wheel["hash"])
    fit = [wheels[tag] for tag in sys_tags() if tag in wheels]
    digest = fit[0] if fit else package.get("sdist", {}).get("hash", "")
    return digest.removeprefix("sha256:")


def _horovod_digest(root: Path, site: Path) -> str:
    # built here, into a folder named by all that went into it
    key = (site.parents[2] / ".horovod-wheel").read_text().strip()
    (wheel,) = (root / "build" / "wheels" / key).glob("*.whl")
    return file_digest(wheel)


def _jar(path: Path) -> Component:
    # Spark's resolver puts the group before the name
    group, mark, fetched = path.name.partition("_")
    is_fetched = path.parent.name in ("s3proxy", "storage") or path.parent.parent.name == "build"
    bare, group = (fetched, group) if is_fetched and mark else (path.name, "")
    found = _JAR.fullmatch(bare)
    # one that set-up compiles has no version of its own
    name, version = (found["name"], found["version"]) if found else (Path(bare).stem, "local")
    group = group or _group(path, name)
    quoted = version.replace("+", "%2B")
    purl = f"pkg:maven/{group}/{name}@{quoted}" if group else f"pkg:generic/{name}@{quoted}"
    return Component(f"jar:{name}", version, purl, file_digest(path), str(path))


def _group(path: Path, name: str) -> str:
    """Maven group of a jar, if it says so itself."""
    with zipfile.ZipFile(path) as archive:
        inside = [entry.split("/") for entry in archive.namelist() if entry.endswith("/pom.xml")]
    groups = [
        parts[2] for parts in inside if parts[:2] == ["META-INF", "maven"] and parts[3] == name
    ]
    return groups[0] if groups else ""


def file_digest(path: Path) -> str:
    """SHA-256 of a file's bytes, in hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
