"""Exceptions that a user can act on; each says what was expected, what came and what to do.

``ContractError`` (a contract or data against a contract) lives with the contracts.
"""

from schemas.contract import ContractError

__all__ = [
    "CompressionError",
    "ContractError",
    "DataQualityError",
    "GristmillError",
    "LedgerError",
    "LockedError",
    "ParameterError",
    "RankLostError",
    "StateError",
    "StoppedError",
    "TableError",
    "TrainingError",
]


class GristmillError(Exception):
    """Base of all errors below: shown to the user as one line, without a traceback."""


class ParameterError(GristmillError):
    """A flag or run parameter is unknown, missing or of the wrong form."""


class TableError(GristmillError):
    """A table or version is missing, unreadable, or of a kind that can't be read safely."""


class LockedError(TableError):
    """Another process holds what is to be written, longer than this one waits."""


class StateError(GristmillError):
    """A file that a step has left (state, record, checkpoint) is not as it was written."""


class LedgerError(GristmillError):
    """Rows by fate do not add up: rows were lost, doubled or left unexplained."""


class CompressionError(GristmillError):
    """A compressed model is worse than the original by more than is allowed."""


class DataQualityError(GristmillError):
    """A table breaks a check of severity error."""


class TrainingError(GristmillError):
    """Training can't start or had to stop: too few rows, a single class, a loss that is NaN."""


class RankLostError(TrainingError):
    """A rank was killed, hangs or can't reach the others: training can go on from a checkpoint."""


class StoppedError(TrainingError):
    """A training was ended by whoever started it."""
