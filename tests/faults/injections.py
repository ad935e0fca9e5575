"""Faults (F1 ...) that are injected while the pipeline works."""

from tests.faults.line import Line

LINES: dict[str, Line] = {}
