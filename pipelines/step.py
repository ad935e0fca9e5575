"""What one finished step says, and how a repeated step finds that it is already done.

A step is named by everything that decides its result: contract, parameters, pinned inputs, fitted
state and code. Its record is written last, after the tables it speaks of are committed. A run that
is killed anywhere leaves no record of the step it was in, so that step is done again in full;
a run that is repeated finds the record and does nothing twice.
"""

import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from pipelines.errors import ParameterError
from pipelines.layout import Layout
from pipelines.state import code_fingerprint, fingerprint, read_json, write_json

# the column in which rows carry their fate until they are written
FATE = "_fate"


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
    path = key.layout.steps / f"{key.step}-{key.fingerprint}.json"
    if path.exists():
        known = read_result(read_json(path))
        if is_still_there(known):
            return replace(known, is_reused=True)
    started = time.monotonic()
    made = make()
    result = replace(made, seconds=round(time.monotonic() - started, 2))
    write_json(path, asdict(result))
    return result


def read_result(value: dict[str, Any]) -> StepResult:
    """Make a ``StepResult`` from its JSON value."""
    fields: dict[str, Any] = dict(value)
    fields["tables"] = tuple(value["tables"])
    fields["rows"] = {name: Fates(**fates) for name, fates in value["rows"].items()}
    return StepResult(**fields)


def require_trained(training: StepResult | None, model: str, digest: str) -> None:
    """Raise unless ``model`` has the digest that the record of its training holds, if it holds one.

    Raises:
        ParameterError: The file was changed since it was trained.
    """
    expected = training.details.get("model_sha256", "") if training else ""
    if expected and digest != expected:
        raise ParameterError(
            f"--model: expected the model that was trained, SHA-256 {expected}; {model} has "
            f"{digest}. The file was changed since: delete it and run train again"
        )
