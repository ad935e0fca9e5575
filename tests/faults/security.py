"""Security checks (S1 ...)."""

from tests.faults.line import Line

LINES: dict[str, Line] = {}
