"""Great Expectations' own actions (e-mail, Slack, ...) on results that are stored already.

They stand in the project folder, as checkpoints without validation definitions of their own: every
``checkpoints/NAME.json`` there. Secrets are named as ``${NAME}`` and taken from the environment.
"""

import logging
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from threading import Thread

from great_expectations.checkpoint.actions import (
    ActionContext,
    UpdateDataDocsAction,
    ValidationAction,
)
from great_expectations.checkpoint.checkpoint import Checkpoint, CheckpointResult
from great_expectations.core import ExpectationSuiteValidationResult
from great_expectations.core.run_identifier import RunIdentifier
from great_expectations.data_context.data_context.file_data_context import FileDataContext
from great_expectations.data_context.types.resource_identifiers import ValidationResultIdentifier
from great_expectations.datasource.fluent.config_str import ConfigStr

ANSWER_S = 60.0
_MAX_MESSAGE = 300
Results = Mapping[ValidationResultIdentifier, ExpectationSuiteValidationResult]
_LOGGER = "great_expectations.checkpoint.actions"


def run_actions(
    context: FileDataContext, results: Results, answer_s: float = ANSWER_S
) -> list[str]:
    """Run the actions of all checkpoints of the project on ``results``.

    An action that fails, or has not ended after ``answer_s`` seconds, keeps no other from running.

    Returns:
        What went wrong, one line each.
    """
    try:
        checkpoints = context.checkpoints.all()
    except Exception as error:  # noqa: BLE001  a file of the user's: whatever it holds is said
        return [f"the checkpoints of {context.root_directory} can't be read: {_line(error)}"]
    said: list[str] = []
    for checkpoint in checkpoints:
        for action, wrong in _run_checkpoint(checkpoint, results, answer_s):
            told = _without_secrets(action, context, wrong)
            said.append(f"action {action.name} of checkpoint {checkpoint.name}: {told}")
    return said


def _run_checkpoint(
    checkpoint: Checkpoint, results: Results, answer_s: float
) -> list[tuple[ValidationAction, str]]:
    """Run the actions of one checkpoint; gives those that went wrong, and how."""
    run_id: RunIdentifier = next(iter(results)).run_id
    found = CheckpointResult(run_id=run_id, run_results=dict(results), checkpoint_config=checkpoint)
    done = ActionContext()
    # pages first, since other actions name them: as Checkpoint.run does
    actions = sorted(
        checkpoint.actions, key=lambda action: not isinstance(action, UpdateDataDocsAction)
    )
    told = [(action, _run_action(action, found, done, answer_s)) for action in actions]
    return [(action, wrong) for action, wrong in told if wrong]


def _run_action(
    action: ValidationAction, found: CheckpointResult, done: ActionContext, answer_s: float
) -> str:
    """Run one action; gives what went wrong."""
    wrong: list[str] = []

    def run() -> None:
        try:
            done.update(action, action.run(checkpoint_result=found, action_context=done))
        except Exception as error:  # noqa: BLE001  said as a warning
            wrong.append(_line(error))

    with _said_by_actions(wrong):
        # most actions wait for their server without end
        thread = Thread(target=run, name=f"action-{action.name}", daemon=True)
        thread.start()
        thread.join(answer_s)
        if thread.is_alive():
            wrong.append(f"has not ended after {answer_s:g} s; the run goes on without it")
    return "; ".join(wrong)


class _Lines(logging.Handler):
    def __init__(self, lines: list[str]) -> None:
        super().__init__(logging.WARNING)
        self._lines = lines

    def emit(self, record: logging.LogRecord) -> None:
        self._lines.append(record.getMessage().partition("\n")[0])


@contextmanager
def _said_by_actions(lines: list[str]) -> Generator[None]:
    """An action that can't reach its server says so to a log, and returns as if all were well."""
    logger, handler = logging.getLogger(_LOGGER), _Lines(lines)
    logger.addHandler(handler)
    try:
        yield
    finally:
        logger.removeHandler(handler)


def _line(error: Exception) -> str:
    return f"{type(error).__name__}: {' '.join(str(error).split())[:_MAX_MESSAGE]}"


def _without_secrets(action: ValidationAction, context: FileDataContext, text: str) -> str:
    """Name what came from the environment instead of quoting it: a library may quote its URL."""
    for _, value in action:
        if isinstance(value, ConfigStr):
            try:
                text = text.replace(value.get_config_value(context.config_provider), str(value))
            except Exception:  # noqa: BLE001  a variable that is not set, or a text that can't be read
                text = f"no value of {value}; {text}"
    return text
