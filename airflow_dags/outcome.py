"""Read how a job ended: its JSON line, or the error that a person should see."""

import json
from typing import Any

from airflow.sdk.exceptions import AirflowException, AirflowFailException

from airflow_dags.handover import Result
from airflow_dags.process import Finished
from airflow_dags.rendering import Dataset, Task

_USAGE = 2
_ERROR = "error: "


def result_of(done: Finished, of: tuple[Dataset, Task]) -> Result:
    """Give the job's line.

    Raises:
        AirflowException: The job failed; another attempt may help.
        AirflowFailException: It failed and would again: its flags are wrong, it is a gate that gave
            its verdict, or it printed no line.
    """
    dataset, task = of
    if done.code:
        said = f"{task.job} of {dataset.name}: exit code {done.code}: {last_error(done.lines)}"
        has_judged = task.is_gate and done.code == 1 and _errors(done.lines)
        if has_judged or done.code == _USAGE:
            raise AirflowFailException(said)
        raise AirflowException(said)
    value = _parse(done.last)
    if not isinstance(value, dict) or value.get("dataset") != dataset.name:
        raise AirflowFailException(
            f"{task.job}: expected one JSON line about {dataset.name} as the last it prints; got "
            f"{done.lines[-1:]}. What it did is not known: look at the log above, then clear it"
        )
    return value


def last_error(lines: tuple[str, ...]) -> str:
    """Give the last line that says an error, else the last line."""
    others = [line for line in lines if line.strip()]
    return (_errors(lines) or others or ["it printed nothing"])[-1].removeprefix(_ERROR)


def _errors(lines: tuple[str, ...]) -> list[str]:
    return [line for line in lines if line.startswith(_ERROR)]


def _parse(line: str) -> Any:
    try:
        return json.loads(line)
    except ValueError:
        return None
