"""Files that outlive a process: fitted state, step records, fingerprints, written whole or not.

A reader never sees half a file: bytes go to a temporary name beside it, are synced, and take the
name by rename(2), which POSIX makes atomic. JSON carries a checksum of its own text as its last
member, so that a flipped bit is not read as another number; what people wrote has none.
"""

import hashlib
import json
import os
import re
from collections.abc import Collection
from functools import cache
from pathlib import Path
from typing import Any, cast, get_args

import pipelines
import schemas
from pipelines.errors import ParameterError, StateError
from pipelines.storage.place import RemotePath
from schemas.encode import FeatureColumn, FeatureKind, FeatureSet, select_features
from schemas.target import BINARY, Target, bad_target

_DIGITS = 16
_CHECKSUM = "checksum"
_SEALED = re.compile(rb'(.*),\n  "checksum": "([0-9a-f]{16})"\n}\n', re.DOTALL)


def write_bytes(path: Path, content: bytes) -> None:
    """Write ``content`` to ``path`` so that it is there whole and durable, or not at all."""
    if isinstance(path, RemotePath):
        path.write_bytes(content)
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    scratch = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with scratch.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        scratch.replace(path)
    finally:
        scratch.unlink(missing_ok=True)
    sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Make renames inside ``folder`` durable, see fsync(2)."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def write_json(path: Path, value: Any) -> None:
    """Write ``value`` as indented JSON, whole or not at all; NaN is an error."""
    text = (json.dumps(value, indent=2, allow_nan=False) + "\n").encode()
    if isinstance(value, dict) and value:
        text = text.removesuffix(b"\n}\n")
        text += f',\n  "{_CHECKSUM}": "{_digest(text)}"\n}}\n'.encode()
    write_bytes(path, text)


def read_json(path: Path) -> Any:
    """Give the JSON value in ``path``, without the checksum that ``write_json`` has added.

    Raises:
        StateError: It is no JSON, or not the text that was written.
    """
    content = path.read_bytes()
    try:
        value: Any = json.loads(content, parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:
        raise _damaged(path, f"it is no JSON ({error})") from error
    if not isinstance(value, dict):
        return value
    sealed = _SEALED.fullmatch(content)
    if sealed is None:
        return _unsealed(path, cast("dict[str, Any]", value))
    if _digest(sealed[1]) != sealed[2].decode():
        raise _damaged(path, "its text differs from its checksum")
    del value[_CHECKSUM]
    return cast(Any, value)


def _unsealed(path: Path, value: dict[str, Any]) -> dict[str, Any]:
    """Take what people wrote, but not what has a checksum in another place or under a near name."""
    last = next(reversed(value), "")
    near = sum(a != b for a, b in zip(last, _CHECKSUM, strict=False))
    if _CHECKSUM in value or (len(last) == len(_CHECKSUM) and near == 1):
        raise _damaged(path, f"its member {last!r} is no checksum of its text")
    return value


def _digest(text: bytes) -> str:
    return hashlib.sha256(text).hexdigest()[:_DIGITS]


def _damaged(path: Path, why: str) -> StateError:
    return StateError(
        f"{path}: expected the JSON that was written; {why}. It was altered: restore it, or delete "
        "it and run the step that writes it again"
    )


def read_object(path: Path, keys: Collection[str]) -> dict[str, Any]:
    """Give the JSON object in ``path``, which has all of ``keys``.

    Raises:
        StateError: It holds something else.
    """
    value = read_json(path)
    if isinstance(value, dict) and {*keys} <= value.keys():
        return cast("dict[str, Any]", value)
    came = sorted(value) if isinstance(value, dict) else type(value).__name__
    raise StateError(
        f"{path}: expected a JSON object with {sorted(keys)}; got {came}. Restore the file, or "
        "delete it and run the step that writes it"
    )


def read_features(path: Path) -> FeatureSet:
    """Give the features named by the state file of ``engineer_features``.

    Raises:
        ParameterError: There is no such file, or it is the state of another step.
        StateError: It is damaged.
    """
    if not path.is_file():
        raise ParameterError(
            f"expected the features state of engineer_features; {path} is not there. Run "
            "engineer_features first, and give the path in its result, files.state"
        )
    value = read_json(path)
    if not isinstance(value, dict) or not {"features", "label"} <= value.keys():
        came = sorted(value) if isinstance(value, dict) else type(value).__name__
        raise ParameterError(
            f"{path}: expected the keys features and label; got {came}. "
            "Give the state of engineer_features, not of another step"
        )
    columns, label = _features(path, value["features"]), _label(path, value["label"])
    return select_features(columns, label, _target(path, value.get("target", {})))


def _features(path: Path, items: Any) -> list[FeatureColumn]:
    try:
        columns = [FeatureColumn(**_as_tuples(column)) for column in items]
    except (AttributeError, TypeError) as error:
        raise StateError(f"{path}: expected features with name, kind and size; {error}") from error
    for item in columns:
        name, size = cast("tuple[object, object]", (item.name, item.size))
        is_known = isinstance(name, str) and item.kind in get_args(FeatureKind)
        numbers: tuple[object, ...] = (size, item.length, *item.shape)
        is_known = is_known and (item.kind != "image" or _has_channels(item))
        if not is_known or not all(type(n) is int and n >= 0 for n in numbers):
            raise StateError(
                f"{path}: expected features with a name, a kind of {list(get_args(FeatureKind))} "
                f"and sizes of 0 or more; got {item}. Run engineer_features again"
            )
    return columns


def _as_tuples(said: Any) -> dict[str, Any]:
    return {name: tuple(v) if isinstance(v, list) else v for name, v in said.items()}


def _has_channels(item: FeatureColumn) -> bool:
    """Say whether an image has its sizes, and a mean and a deviation for each channel."""
    moments = [*item.means, *item.deviations]
    is_fit = len(item.shape) == 3 and min(item.shape) > 0  # noqa: PLR2004  height, width, channels
    is_fit = is_fit and len(item.means) == len(item.deviations) == item.shape[2]
    return is_fit and all(type(x) in (int, float) for x in moments) and min(item.deviations) > 0


def _label(path: Path, label: Any) -> str:
    if isinstance(label, str) and label:
        return label
    raise StateError(
        f"{path}: expected the label's name; got {label!r}. Run engineer_features again"
    )


def _target(path: Path, said: Any) -> Target:
    try:
        target = Target(**(said | {"classes": tuple(said.get("classes", ()))}))
        wrong = bad_target(target)
    except (AttributeError, TypeError) as error:
        wrong, target = str(error), BINARY
    if wrong:
        raise StateError(
            f"{path}: expected a target of kind binary, classes or number; got {wrong}. Run "
            "engineer_features again"
        )
    return target


def _refuse_constant(word: str) -> None:
    raise ValueError(f"{word} is no number in JSON")


def fingerprint(*parts: Any) -> str:
    """SHA-256 of the JSON of ``parts``, first 16 hex digits; equal parts give equal digits."""
    said = json.dumps(parts, sort_keys=True, default=str)
    return hashlib.sha256(said.encode()).hexdigest()[:_DIGITS]


def bytes_digest(content: bytes) -> str:
    """SHA-256 of bytes, in hex."""
    return hashlib.sha256(content).hexdigest()


def file_digest(path: Path) -> str:
    """SHA-256 of a file's bytes, in hex."""
    if isinstance(path, RemotePath):
        return bytes_digest(path.read_bytes())
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@cache
def code_fingerprint() -> str:
    """Digest of the sources of ``pipelines`` and ``schemas``: another code, another result."""
    digest = hashlib.sha256()
    for package in (pipelines, schemas):
        folder = Path(str(package.__file__)).parent
        for source in sorted(folder.rglob("*.py")):
            digest.update(str(source.relative_to(folder)).encode())
            digest.update(source.read_bytes())
    return digest.hexdigest()[:_DIGITS]
