"""The steps of one run, read from their JSON records.

A file holds one ``StepResult``, or a whole run: ``{"steps": [StepResult, ...]}`` with, where known,
``error`` ({"step", "message"}), ``command``, ``started_at``, ``finished_at`` and ``parameters``.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from pipelines.errors import ParameterError, StateError
from pipelines.state import read_json
from pipelines.step import StepResult, read_result
from pipelines.storage.place import place

# in the order of a whole run; each table's checks follow the step that writes it
STEPS = (
    ("ingest", "raw"),
    ("deduplicate", "deduplicated"),
    ("split", "split"),
    ("impute", "imputed"),
    ("engineer_features", "features"),
    ("train", ""),
    ("evaluate", ""),
    ("explain", ""),
    ("register", ""),
    ("score", ""),
)
VALIDATE = "validate"


@dataclass(frozen=True, slots=True)
class Run:
    """Finished steps by name, and what is known of the run as a whole."""

    steps: dict[str, StepResult]
    error: dict[str, str] = field(default_factory=dict)
    facts: dict[str, Any] = field(default_factory=dict)

    @property
    def ordered(self) -> list[StepResult]:
        """Steps in the order of a whole run; others last."""
        names = [name for step, layer in STEPS for name in (step, f"{VALIDATE}-{layer}")]
        place = {name: position for position, name in enumerate(names)}
        return sorted(self.steps.values(), key=lambda item: place.get(item.step, len(place)))

    @property
    def missing(self) -> list[str]:
        """Steps of a whole run that this one did not do, in their order."""
        return [step for step, _ in STEPS if step not in self.steps]

    def details(self, step: str) -> dict[str, Any]:
        """Figures of one step; empty if it was not run."""
        return self.steps[step].details if step in self.steps else {}


def read_run(paths: Sequence[str]) -> Run:
    """Read records of steps and of runs; of two with one step's name the later stands.

    Raises:
        ParameterError: A file is missing or holds something else.
    """
    steps: dict[str, StepResult] = {}
    error: dict[str, str] = {}
    facts: dict[str, Any] = {}
    for path in paths:
        value = _read(path)
        if "steps" in value:
            error = value.get("error") or error
            facts |= {name: said for name, said in value.items() if name not in ("steps", "error")}
        items = value.get("steps", [value])
        for item in items if isinstance(items, list) else [items]:
            result = _result(item, path)
            steps[result.step] = result
    return Run(steps, error, facts)


def _read(path: str) -> dict[str, Any]:
    if not place(path).is_file():
        raise ParameterError(
            f"--steps: expected the JSON record of a step; found no file at {path}"
        )
    try:
        value = read_json(place(path))
    except StateError as error:
        raise ParameterError(f"--steps: {error}") from error
    if not isinstance(value, dict):
        raise ParameterError(
            f"--steps: expected a JSON object in {path}; got {type(value).__name__}"
        )
    return value


def _result(value: Any, path: str) -> StepResult:
    if not isinstance(value, dict):
        raise ParameterError(f"--steps: expected records of steps in {path}; got {value!r}")
    try:
        return read_result(value)
    except (TypeError, ValueError) as error:
        raise ParameterError(
            f"--steps: expected the record of a step in {path}; got keys {sorted(value)} ({error})"
        ) from error
