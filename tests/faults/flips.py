"""Flip single bits of files, one at a time, and say what a reader makes of each."""

import random
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from pipelines.errors import ContractError, GristmillError

DETECTED, HARMLESS, SILENT, UNCLEAR = "detected", "harmless", "silent", "unclear"


def flip_bits(
    files: Sequence[Path], load: Callable[[], Any], count: int, seed: int
) -> Counter[str]:
    """Flip ``count`` bits, as many in each file; each is set right before the next.

    Args:
        files: What is altered.
        load: Reads what is in the files, as the pipeline does.
        count: Flips in all.
        seed: Decides the places.

    Returns:
        How many were detected by one line that names the file, and how many changed nothing. What
        loads with another content, or ends otherwise, is an assertion error that names the place.
    """
    draw = random.Random(seed)
    expected = load()
    found: Counter[str] = Counter()
    for number in range(count):
        file = files[number % len(files)]
        content = file.read_bytes()
        place = draw.randrange(len(content) * 8)
        altered = bytearray(content)
        altered[place // 8] ^= 1 << place % 8
        file.write_bytes(altered)
        try:
            fate = _fate(load, expected, file)
        finally:
            file.write_bytes(content)
        assert fate in (DETECTED, HARMLESS), (seed, str(file), place, fate)
        found[fate] += 1
    assert load() == expected
    return found


def _fate(load: Callable[[], Any], expected: Any, file: Path) -> str:
    # the checksums of a file are named by the file, or by themselves
    name = file.name.removeprefix(".").removesuffix(".crc")
    try:
        loaded = load()
    except (GristmillError, ContractError) as error:
        return DETECTED if name in str(error) else f"{UNCLEAR}: {error}"
    return HARMLESS if loaded == expected else f"{SILENT}: {loaded}"[:500]
