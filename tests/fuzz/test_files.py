"""Files that steps write and read again: any content is read, or one error names the file."""

import json
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pipelines.errors import GristmillError
from pipelines.reporting.run_record import read_run
from pipelines.sources.mended import MendedRow, read_mended
from pipelines.sources.replays import PREFIX, Settled, read_replays
from pipelines.state import read_features
from pipelines.step import Fates, StepResult, read_record

_RESULT = StepResult(
    "ingest",
    "rides",
    "f0",
    ("/lake/rides/raw/rides@v0",),
    {"rides": Fates(3, 1, 1, {"type:x": 1})},
    {"state": "a.json"},
    {"n": 1},
    0.5,
    False,
    {"rides": {"mean(x)": 1.0}},
)
_SETTLED = Settled("a.csv", "d", 3, "ingest", "r", "replayed", 2, "t", "")
_ROW = MendedRow("rides", "ingest", "r", None, "a.csv", "d", 3, "w", "1,a")
_FEATURES = [{"name": "x", "kind": "numeric", "size": 0}]
FILES: dict[str, tuple[Any, Callable[[Path], Any]]] = {
    "record.json": (asdict(_RESULT), read_record),
    "run.json": ({"steps": [asdict(_RESULT)]}, lambda path: read_run([str(path)])),
    "features.json": ({"features": _FEATURES, "label": "late"}, read_features),
    f"{PREFIX}0001.json": (
        {"settled_at": "2024-01-02T00:00:00+00:00", "rows": [asdict(_SETTLED)]},
        lambda path: read_replays(path.parent),
    ),
    "rows.jsonl": (asdict(_ROW), read_mended),
}
_ODD = (None, True, -1, 0, 2, 1.5, "", "x", [], {}, [None], {"a": 1}, [[]], "\ud800", 10**400)
_odd = st.one_of(st.sampled_from(_ODD), st.text(max_size=4), st.integers(), st.floats())


def _places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    items: list[tuple[Any, Any]] = []
    if isinstance(value, dict):
        items = list(value.items())
    elif isinstance(value, list | tuple):
        items = list(enumerate(value))
    return [path, *[place for key, item in items for place in _places(item, (*path, key))]]


def _changed(value: Any, place: tuple[Any, ...], new: Any, *, drop: bool) -> Any:
    if not place:
        return new
    copied: Any = dict(value) if isinstance(value, dict) else list(value)
    if drop and len(place) == 1:
        del copied[place[0]]
    else:
        copied[place[0]] = _changed(value[place[0]], place[1:], new, drop=drop)
    return copied


@st.composite
def _contents(draw: st.DrawFn) -> tuple[str, bytes]:
    name = draw(st.sampled_from(sorted(FILES)))
    value = json.loads(json.dumps(FILES[name][0]))
    for _ in range(draw(st.integers(0, 2))):
        place = draw(st.sampled_from(_places(value)))
        value = _changed(value, place, draw(_odd), drop=draw(st.booleans()))
    content = json.dumps(value).encode()
    kind = draw(st.integers(0, 5))
    if kind == 0:
        return name, content[: draw(st.integers(0, len(content)))]
    if kind == 1:
        at = draw(st.integers(0, max(len(content) - 1, 0)))
        return name, content[:at] + draw(st.binary(max_size=3)) + content[at + 1 :]
    return name, content


def _check(name: str, content: bytes, folder: Path) -> bool:
    path = folder / name
    path.write_bytes(content)
    try:
        FILES[name][1](path)
    except GristmillError as error:
        assert path.name in str(error), error  # noqa: PT017  many files, one test
        return False
    finally:
        path.unlink()
    return True


@pytest.mark.parametrize("name", sorted(FILES))
def test_a_good_file_is_read(name: str, tmp_path: Path) -> None:
    assert _check(name, json.dumps(FILES[name][0]).encode(), tmp_path)


_FIXTURES = [HealthCheck.function_scoped_fixture, HealthCheck.too_slow]


@settings(
    max_examples=500, derandomize=True, database=None, deadline=None,
    suppress_health_check=_FIXTURES,
)  # fmt: skip
@given(_contents())
def test_any_file_is_read_or_named(tmp_path: Path, case: tuple[str, bytes]) -> None:
    _check(*case, tmp_path)


@pytest.mark.slow
@settings(
    max_examples=30_000, derandomize=True, database=None, deadline=None,
    suppress_health_check=_FIXTURES,
)  # fmt: skip
@given(_contents())
def test_any_of_many_files_is_read_or_named(tmp_path: Path, case: tuple[str, bytes]) -> None:
    _check(*case, tmp_path)


_DEEP = b"[" * 100_000


@pytest.mark.parametrize("name", sorted(FILES))
@pytest.mark.parametrize("content", [b"", b"\xff\xfe", b"null", b"NaN", _DEEP, b'{"a": 1e999}'])
def test_what_is_no_object_is_named(name: str, content: bytes, tmp_path: Path) -> None:
    # a file without rows mends nothing
    assert _check(name, content, tmp_path) == (name == "rows.jsonl" and not content)
