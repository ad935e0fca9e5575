"""What one finished step says, and how a repeated step finds that it is already done.

A step is named by everything that decides its result: contract, parameters, pinned inputs, fitted
state and code. Its record is written last, after the tables it speaks of are committed. A run that
is killed anywhere leaves no record of the step it was in, so that step is done again in full;
a run that is repeated finds the record and does nothing twice.
"""

import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, cast

from pipelines.errors import ParameterError, StateError
from pipelines.layout import Layout
from pipelines.state import code_fingerprint, fingerprint, read_object, write_json
from pipelines.storage.place import place

# the column in which rows carry their fate until they are written
FATE = "_fate"
# those whose result has a file ``model`` of their own making
MODEL_STEPS = ("train", "compress", "ensemble")


@dataclass(frozen=True, slots=True)
class Fates:
    """What became of the rows that a step read; every row has exactly one fate."""

    read: int
    kept: int
    duplicate: int = 0
    quarantined: dict[str, int] = field(default_factory=dict)
    filtered: dict[str, int] = field(default_factory=dict)

    @property
    def unexplained(self) -> int:
        """Rows read less rows accounted for: 0, or rows were lost (> 0) or doubled (< 0)."""
        explained = self.kept + self.duplicate
        explained += sum(self.quarantined.values()) + sum(self.filtered.values())
        return self.read - explained


@dataclass(frozen=True, slots=True)
class StepResult:
    """The one JSON line of a job.

    ``tables`` are the pinned tables written, main source first; ``rows`` their fates by source
    name; ``files`` named paths such as ``state`` or ``report``; ``details`` figures for the page;
    ``numbers`` what was measured while each table was written, by source: kept, not printed.
    """

    step: str
    dataset: str
    fingerprint: str
    tables: tuple[str, ...] = ()
    rows: dict[str, Fates] = field(default_factory=dict)
    files: dict[str, str] = field(default_factory=dict)
    details: dict[str, Any] = field(default_factory=dict)
    seconds: float = 0.0
    is_reused: bool = False
    numbers: dict[str, dict[str, Any]] = field(default_factory=dict, metadata={"hidden": True})


@dataclass(frozen=True, slots=True)
class StepKey:
    """Names one execution of a step by all that decides its result."""

    step: str
    layout: Layout
    fingerprint: str

    @property
    def record(self) -> Path:
        """The file of its result, written last."""
        return self.layout.steps / f"{self.step}-{self.fingerprint}.json"


def step_key(step: str, layout: Layout, *decides: Any) -> StepKey:
    """Name a step's execution; ``decides`` holds contract, parameters and pinned inputs."""
    return StepKey(step, layout, fingerprint(step, layout.dataset, code_fingerprint(), *decides))


def once(
    key: StepKey, make: Callable[[], StepResult], is_still_there: Callable[[StepResult], bool]
) -> StepResult:
    """Give the recorded result of ``key``, or make and record it.

    Args:
        key: Name of this execution.
        make: Does the work, commits its outputs and returns what it did.
        is_still_there: Says whether the outputs of a recorded result can still be read; if not,
            the step is done again.
    """
    if known := recorded(key, is_still_there):
        return known
    started = time.monotonic()
    made = make()
    result = replace(made, seconds=round(time.monotonic() - started, 2))
    write_json(key.record, asdict(result))
    return result


def recorded(key: StepKey, is_still_there: Callable[[StepResult], bool]) -> StepResult | None:
    """Give the recorded result of ``key``; None if it is to be made, see ``once``."""
    if not key.record.exists():
        return None
    known = read_record(key.record)
    return replace(known, is_reused=True) if is_still_there(known) else None


def has_files(result: StepResult) -> bool:
    """Say whether each file of a recorded result is there, for ``once``."""
    return all(place(path).is_file() for path in result.files.values())


def read_record(path: Path) -> StepResult:
    """Give the result that a step has recorded.

    Raises:
        StateError: The file is damaged.
    """
    value = read_object(path, ("step", "dataset", "fingerprint", "tables", "rows"))
    try:
        return read_result(value)
    except (TypeError, ValueError) as error:
        raise StateError(
            f"{path}: expected the record of a step; {error}. Delete it, and the step is done anew"
        ) from error


def read_run(path: Path) -> list[StepResult]:
    """Give the results of the steps that the record of a whole run holds.

    Raises:
        StateError: The file is damaged.
    """
    try:
        items = _listed(read_object(path, ["steps"])["steps"], "steps")
        return [read_result(_named(item, "a step")) for item in items]
    except (TypeError, ValueError) as error:
        raise StateError(
            f"{path}: expected the record of a run; {error}. Delete it and run from the first step"
        ) from error


def read_result(value: dict[str, Any]) -> StepResult:
    """Make a ``StepResult`` from its JSON value.

    Raises:
        TypeError: The value has other fields, or one of another type.
        ValueError: A count is below 0.
    """
    fields: dict[str, Any] = dict(value)
    fields["tables"] = tuple(_listed(value.get("tables"), "tables"))
    rows = _named(value.get("rows"), "rows")
    fields["rows"] = {name: _fates(_named(fates, name)) for name, fates in rows.items()}
    for name in ("files", "details", "numbers"):
        _named(fields.get(name, {}), name)
    _check_words(fields)
    return StepResult(**fields)


def maker_of(layout: Layout, model: str) -> StepResult | None:
    """Give the record of the step that made the file ``model``, if it was made under this root."""
    made = place(model).absolute()
    for step in MODEL_STEPS:
        for path in layout.steps.glob(f"{step}-*.json"):
            record = read_record(path)
            if place(record.files.get("model", "")).absolute() == made:
                return record
    return None


def require_trained(
    training: StepResult | None, model: str, digest: str, flag: str = "--model"
) -> None:
    """Raise unless ``model`` has the digest that the record of its training holds, if it holds one.

    ``flag`` is the one that named it.

    Raises:
        ParameterError: The file was changed since it was trained.
    """
    expected = training.details.get("model_sha256", "") if training else ""
    if expected and digest != expected:
        raise ParameterError(
            f"{flag}: expected the model that was trained, SHA-256 {expected}; {model} has "
            f"{digest}. The file was changed since: delete it and run train again"
        )


def _fates(value: dict[str, Any]) -> Fates:
    fates = Fates(**value)
    reasons = [*_named(fates.quarantined, "quarantined").values()]
    reasons += _named(fates.filtered, "filtered").values()
    for count in (fates.read, fates.kept, fates.duplicate, *reasons):
        if type(count) is not int or count < 0:
            raise ValueError(f"expected counts of rows; got {count!r}")
    return fates


def _check_words(fields: dict[str, Any]) -> None:
    texts = [*(fields.get(name) for name in ("step", "dataset", "fingerprint"))]
    texts += [*fields["tables"], *fields.get("files", {}).values()]
    wrong = [text for text in texts if not isinstance(text, str)]
    if wrong:
        raise TypeError(f"expected text; got {wrong[0]!r}")
    if type(fields.get("seconds", 0.0)) not in (int, float):
        raise TypeError(f"expected seconds as a number; got {fields['seconds']!r}")


def _named(value: Any, name: str) -> dict[str, Any]:
    if isinstance(value, dict):
        return cast("dict[str, Any]", value)
    raise TypeError(f"expected {name} as an object; got {type(value).__name__}")


def _listed(value: Any, name: str) -> list[Any]:
    if isinstance(value, list):
        return cast("list[Any]", value)
    raise TypeError(f"expected {name} as a list; got {type(value).__name__}")
