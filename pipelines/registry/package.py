"""The folder that is registered: model, fitted states, contract, plots and a manifest of all.

The manifest holds the SHA-256 of each file; its own SHA-256 stands in the registry's database. So
whoever loads a model can tell that it is, byte for byte, the one that was measured.
"""

import json
import re
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pipelines
from pipelines.errors import ParameterError
from pipelines.state import file_digest, read_json, write_json
from pipelines.storage.copies import local_file

MANIFEST = "manifest.json"
MODEL = "model.keras"
STATE = "features_state.json"
CONTRACT = "contract.json"
METRICS = "metrics.json"
DIGEST_TAG = "manifest_sha256"
_SHA256 = re.compile(r"[0-9a-f]{64}")
_PACKAGES = ("keras", "tensorflow-cpu", "numpy", "scikit-learn", "pyspark", "delta-spark", "mlflow")


@dataclass(frozen=True, slots=True)
class Contents:
    """What goes into a package: files by the name they get there, and facts for the manifest."""

    files: dict[str, Path]
    contract: dict[str, Any]
    facts: dict[str, Any] = field(default_factory=dict)


def build_package(folder: Path, contents: Contents) -> str:
    """Copy ``contents`` into ``folder`` and write the manifest.

    Returns:
        SHA-256 of the manifest, in hex.

    Raises:
        ParameterError: A file is missing.
    """
    for name, source in contents.files.items():
        if not source.is_file():
            raise ParameterError(f"expected {name} at {source}; found no file")
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        with local_file(source) as file:
            shutil.copyfile(file, folder / name)
    write_json(folder / CONTRACT, contents.contract)
    names = sorted([*contents.files, CONTRACT])
    digests = {name: file_digest(folder / name) for name in names}
    write_json(folder / MANIFEST, {"files": digests, **contents.facts})
    return file_digest(folder / MANIFEST)


def open_package(folder: Path, digest: str) -> dict[str, Any]:
    """Give the manifest of a package whose files are all as they were registered.

    Raises:
        ParameterError: The manifest or a file is missing or was changed; it is named.
    """
    manifest = folder / MANIFEST
    _check_file(manifest, digest)
    value: dict[str, Any] = read_json(manifest)
    for name, expected in value["files"].items():
        _check_file(folder / name, expected)
    return value


def digest_of(name: str, number: int, tags: Mapping[str, str]) -> str:
    """Give the manifest's digest that the registry's database holds for a version.

    Raises:
        ParameterError: It holds none, so nothing says that the files are those that were measured.
    """
    digest = tags.get(DIGEST_TAG, "")
    if not _SHA256.fullmatch(digest):
        raise ParameterError(
            f"expected the SHA-256 of its manifest with version {number} of {name}; the registry "
            f"holds {digest or 'none'}: it was not registered by this project, or was tampered "
            "with. Register the model again, or take another version"
        )
    return digest


def describe_environment() -> dict[str, Any]:
    """Give package versions, the lock file's digest and the commit, as far as they are known."""
    base = Path(str(pipelines.__file__)).parent.parent
    lock = base / "uv.lock"
    return {
        "packages": {name: version(name) for name in _PACKAGES},
        "lock": file_digest(lock) if lock.is_file() else "",
        "commit": _commit(base),
    }


def to_plain(value: Any) -> Any:
    """Give ``value`` as JSON keeps it: tuples as lists, keys as text."""
    return json.loads(json.dumps(value, default=str))


def _check_file(path: Path, digest: str) -> None:
    if not path.is_file():
        raise ParameterError(
            f"expected {path.name} of a registered model at {path}; found no file. Restore the "
            "registry's folder, register the model again, or take another version"
        )
    found = file_digest(path)
    if found != digest:
        raise ParameterError(
            f"{path}: expected SHA-256 {digest}; got {found}. The file is not the one that was "
            "registered: restore it, register the model again, or take another version"
        )


def _commit(base: Path) -> str:
    if not (base / ".git").exists() or not shutil.which("git"):
        return ""
    command = ["git", "-C", str(base), "rev-parse", "HEAD"]
    said = subprocess.run(command, capture_output=True, text=True, check=False)
    return said.stdout.strip() if said.returncode == 0 else ""
