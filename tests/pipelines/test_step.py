"""A step is done once: found by all that decides it, repeated if its outputs are gone."""

import json
from dataclasses import asdict
from pathlib import Path

import pytest

from pipelines.errors import StateError
from pipelines.layout import Layout
from pipelines.state import fingerprint, read_json, write_json
from pipelines.step import Fates, StepResult, once, read_record, read_result, step_key


def _layout(tmp_path: Path) -> Layout:
    return Layout(str(tmp_path), "toy")


def test_a_finished_step_is_not_repeated(tmp_path: Path) -> None:
    made: list[int] = []
    key = step_key("impute", _layout(tmp_path), "contract")

    def make() -> StepResult:
        made.append(1)
        return StepResult("impute", "toy", key.fingerprint, rows={"a": Fates(2, 2)})

    first = once(key, make, lambda _: True)
    second = once(key, make, lambda _: True)
    assert (len(made), first.is_reused, second.is_reused) == (1, False, True)
    assert second.rows == {"a": Fates(2, 2)}
    once(key, make, lambda _: False)
    assert len(made) == 2


def test_a_step_that_fails_leaves_no_record(tmp_path: Path) -> None:
    key = step_key("impute", _layout(tmp_path), "contract")

    def fail() -> StepResult:
        raise RuntimeError

    with pytest.raises(RuntimeError):
        once(key, fail, lambda _: True)
    assert not list(_layout(tmp_path).steps.glob("*"))


def test_another_contract_parameter_or_input_is_another_step(tmp_path: Path) -> None:
    layout = _layout(tmp_path)
    keys = {step_key("impute", layout, said).fingerprint for said in ("a", "b", ["a"])}
    assert len(keys) == 3
    assert step_key("impute", layout, "a") == step_key("impute", layout, "a")


def test_a_result_comes_back_from_its_json(tmp_path: Path) -> None:
    result = StepResult("s", "d", "f", ("t@v0",), {"x": Fates(3, 1, 1, {"q": 1})}, {"a": "b"})
    path = tmp_path / "r.json"
    write_json(path, asdict(result))
    assert read_result(read_json(path)) == result


@pytest.mark.parametrize(
    "changes",
    [
        {"step": 5},
        {"tables": ["t@v0", None]},
        {"tables": "t@v0"},
        {"files": {"state": 1}},
        {"seconds": "1"},
        {"rows": {"x": {"read": 1.5, "kept": 1}}},
        {"rows": {"x": {"read": -1, "kept": 1}}},
        {"rows": {"x": {"read": 1, "kept": 1, "filtered": {"blank": True}}}},
        {"details": {"mean": float("nan")}},
    ],
)
def test_a_damaged_record_is_named(changes: dict[str, object], tmp_path: Path) -> None:
    path = tmp_path / "r.json"
    path.write_text(json.dumps({**asdict(StepResult("s", "d", "f")), **changes}))
    with pytest.raises(StateError, match=r"r\.json: expected"):
        read_record(path)


def test_a_file_is_written_whole_or_not_at_all(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    write_json(path, {"x": 1})
    with pytest.raises(ValueError, match="JSON"):
        write_json(path, {"x": float("nan")})
    assert read_json(path) == {"x": 1}
    assert [entry.name for entry in tmp_path.iterdir()] == ["a.json"]


def test_json_that_people_wrote_is_read_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    path.write_text('{"x": 1,\n  "sum": 2}')
    assert read_json(path) == {"x": 1, "sum": 2}


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("1", "3"),
        ('"x"', '"z"'),
        ('"checksum"', '"checksuM"'),
        ("{", "["),
        ('"checksum": "', '"checksum": "0'),
    ],
)
def test_json_that_was_altered_is_refused_by_name(tmp_path: Path, old: str, new: str) -> None:
    path = tmp_path / "a.json"
    write_json(path, {"x": 1})
    path.write_text(path.read_text().replace(old, new, 1))
    with pytest.raises(StateError, match=r"a\.json: expected the JSON that was written"):
        read_json(path)


def test_equal_parts_give_equal_fingerprints() -> None:
    assert fingerprint({"a": 1, "b": 2}) == fingerprint({"b": 2, "a": 1}) != fingerprint({"a": 1})
