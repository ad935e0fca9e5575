"""Bad inputs (B1 ...) and their fate."""

from tests.faults.line import Line

LINES: dict[str, Line] = {}
