"""The name of one table at one version: what jobs hand to each other."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from pipelines.errors import ParameterError

_PINNED = re.compile(r"^(?P<path>.+)@v(?P<version>\d+)$")


@dataclass(frozen=True, slots=True)
class TableVersion:
    """A Delta table at one version; as text ``path@v3``."""

    path: str
    version: int

    def __str__(self) -> str:
        return f"{self.path}@v{self.version}"

    @property
    def name(self) -> str:
        """Last part of the path."""
        return Path(self.path).name


def parse_version(text: str) -> TableVersion:
    """Read ``path@v3``.

    Raises:
        ParameterError: ``text`` names no version: jobs never read "latest".
    """
    found = _PINNED.match(text)
    if not found:
        raise ParameterError(
            f"expected a table pinned to a version, like lake/flights/raw/flights@v0; got {text!r}"
        )
    return TableVersion(found["path"], int(found["version"]))


def parse_versions(texts: Sequence[str], wanted: Sequence[str]) -> dict[str, TableVersion]:
    """Read pinned tables and name each by its source, the last part of its path.

    Raises:
        ParameterError: A table of ``wanted`` is missing, or one is given that nobody asked for.
    """
    tables = [parse_version(text) for text in texts]
    found = {table.name: table for table in tables}
    if set(found) != set(wanted) or len(found) != len(tables):
        raise ParameterError(
            f"expected one pinned table for each of {sorted(wanted)}; got {list(texts)}. Give the "
            "tables that the job before printed"
        )
    return found
