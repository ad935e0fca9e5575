"""What ``gristmill run`` leaves of itself: the steps it did, their results, and what failed."""

from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

from jobs.steps import STEP_NAMES, STEPS, Journey
from pipelines.errors import ParameterError
from pipelines.layout import Layout
from pipelines.state import write_json
from pipelines.step import StepResult, read_run


class RunRecord:
    """The file that says what a run did, rewritten after each step."""

    def __init__(self, layout: Layout, params: dict[str, Any]) -> None:
        self._started = datetime.now(UTC)
        self.path = layout.base / "runs" / f"{self._started:%Y%m%dT%H%M%S%f}.json"
        self._last = layout.base / "runs" / "last.json"
        self._params = params
        self._error: dict[str, str] = {}
        self.step = ""

    def fail(self, error: Exception) -> None:
        """Keep what stopped the run."""
        self._error = {"step": self.step, "message": str(error)}

    def write(self, journey: Journey) -> None:
        """Write the record of the run so far."""
        value: dict[str, Any] = {
            "command": "gristmill run",
            "started_at": self._started.isoformat(timespec="seconds"),
            "finished_at": datetime.now(UTC).isoformat(timespec="seconds"),
            "parameters": self._params,
            "steps": [{**asdict(result), "numbers": {}} for result in journey.results.values()],
        }
        if self._error:
            value["error"] = self._error
        write_json(self.path, value)
        write_json(self._last, value)


def earlier_results(layout: Layout, first: int) -> dict[str, StepResult]:
    """Results of the steps before ``first``, from the last run that did them."""
    last = layout.base / "runs" / "last.json"
    found = {}
    if last.exists():
        found = {result.step: result for result in read_run(last)}
    missing = [name for name in STEP_NAMES[:first] if name not in found]
    if missing:
        raise ParameterError(
            f"--from {STEP_NAMES[first]}: expected results of the steps before it under "
            f"{layout.base}; {missing} have none. Run without --from first"
        )
    later = set(STEP_NAMES[first:])
    layers = {f"validate-{step.layer}" for step in STEPS[first:] if step.layer}
    return {name: result for name, result in found.items() if name not in later | layers}


def forget_records(layout: Layout, first: int) -> None:
    """Drop the records of the steps from ``first`` on, so that they are done anew."""
    for step in STEPS[first:]:
        for record in layout.steps.glob(f"{step.name}-*.json"):
            record.unlink()
