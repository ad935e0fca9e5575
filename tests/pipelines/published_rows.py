"""Small files in the form of the published ones: made from the contract, with no row of theirs."""

import random
from collections.abc import Callable
from pathlib import Path

from schemas.contract import Check, Column, Source

_SHARE_OF_NULLS = 0.2
# of what no check says enough
_MADE: dict[str, Callable[[random.Random, int], str]] = {
    "encounter_id": lambda _, number: str(1_000 + number),
    "patient_nbr": lambda _, number: str(7_000 + number // 2),
    "diag_1": lambda draw, _: draw.choice(["250.83", "428", "V45", "E812", "8", "786"]),
    "diag_2": lambda draw, _: draw.choice(["250", "401.9", "V10"]),
    "diag_3": lambda draw, _: draw.choice(["585", "682"]),
    "label": lambda draw, _: draw.choice(["normal.", "neptune.", "back."]),
    "customerID": lambda _, number: f"{number:04d}-ABCDE",
}


def make_lines(source: Source, num_rows: int, seed: int) -> list[str]:
    """Give ``num_rows`` lines that keep each check of ``source``, the same for the same seed."""
    draw = random.Random(seed)
    bounds = {column: check for check in source.checks for column in check.columns}
    return [
        source.delimiter.join(
            _cell(column, bounds.get(column.name), draw, number, source)
            for column in source.file_columns
        )
        for number in range(num_rows)
    ]


def write_lines(path: Path, source: Source, lines: list[str]) -> Path:
    """Write ``lines`` as a file of ``source``, with its header if it has one."""
    head = [source.delimiter.join(column.file_name for column in source.file_columns)]
    path.write_text("".join(f"{line}\n" for line in [*head * source.num_header_lines, *lines]))
    return path


def _cell(
    column: Column, check: Check | None, draw: random.Random, number: int, source: Source
) -> str:
    if column.is_nullable and draw.random() < _SHARE_OF_NULLS:
        return source.null_values[0]
    if column.name in _MADE:
        return _MADE[column.name](draw, number)
    if check and check.values:
        return str(draw.choice(check.values))
    if column.type == "string":
        return draw.choice(["No", "Yes", "Other"])
    least, most = int((check and check.minimum) or 0), int((check and check.maximum) or 9)
    value = draw.randint(least, most)
    return str(value) if column.type in ("int", "long") else f"{value:.2f}"
