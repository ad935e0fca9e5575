"""The vocabulary of a contract: one declaration from which every engine's view is rendered.

Spark schemas, expectations, reader fields and Keras inputs are computed from these values, so a
column is described once. Everything is frozen and comparable; nothing here imports a third party.
"""

import hashlib
import json
from dataclasses import asdict, dataclass, field
from typing import Any, Literal, TypeAlias, cast

from schemas.check import Check, Rule, Severity
from schemas.drift import Drift
from schemas.encode import Encode, Impute, Join, Rolling
from schemas.interval import Interval
from schemas.near import NearDuplicates, NearImages
from schemas.published import PublicFile
from schemas.schedule import Schedule
from schemas.source import CONTENT, FILE_FIELDS, Column, ColumnType, Format, Source, Unpivot
from schemas.split import GivenSplit, HashSplit, Split, TimeSplit
from schemas.target import Label

__all__ = [
    "CONTENT", "FILE_FIELDS", "LAYERS", "SPLITS", "SPLIT_COLUMN", "Check", "Column", "ColumnType",
    "ContractError", "DatasetSpec", "Derived", "Format", "GivenSplit", "HashSplit", "Label",
    "Layer", "NearDuplicates", "PublicFile", "Rule", "Severity", "Source", "Split", "TableSpec",
    "TimeSplit", "Unpivot",
]  # fmt: skip

Layer: TypeAlias = Literal["raw", "deduplicated", "split", "imputed", "features"]
# in the order in which they are made
LAYERS: tuple[Layer, ...] = ("raw", "deduplicated", "split", "imputed", "features")
SPLITS = ("train", "validation", "test")
SPLIT_COLUMN = "split"


class ContractError(Exception):
    """A contract contradicts itself, or data contradict a contract: expected, came, what to do."""


# of a contract that does not use it the fingerprint stays what it was: name and default
_YOUNGER = {
    "near_duplicates": None, "image": None, "by": "", "path_pattern": "",
    "max_file_bytes": 64 * 2**20, "record_bytes": (),
    "encoding": "utf-8", "has_quotes": True, "unpivot": None,
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Derived:
    """A column computed from others of the same source by a Spark SQL expression, at split time.

    ``sql`` must be deterministic: no clock and no random numbers.
    """

    column: Column
    sql: str


@dataclass(frozen=True, slots=True)
class TableSpec:
    """The contract of one table of one layer, as derived for reading, writing and checking."""

    dataset: str
    layer: Layer
    name: str
    columns: tuple[Column, ...]
    primary_key: tuple[str, ...]
    checks: tuple[Check, ...] = ()
    interval: Interval | None = None


@dataclass(frozen=True, slots=True)
class DatasetSpec:
    """One data set: sources, the question, and how raw columns become features.

    The first source holds the rows to predict; the others are looked up through ``joins``. Without
    a ``schedule`` the data set is prepared when somebody asks for it. ``files`` are published under
    the address ``origin``, from where ``gristmill fetch`` gets them.
    """

    name: str
    title: str
    question: str
    sources: tuple[Source, ...]
    label: Label
    split: Split
    prediction_time: str = ""
    derived: tuple[Derived, ...] = ()
    joins: tuple[Join, ...] = ()
    rollings: tuple[Rolling, ...] = ()
    imputes: tuple[Impute, ...] = ()
    encodes: tuple[Encode, ...] = ()
    near_duplicates: NearDuplicates | NearImages | None = None
    checks: dict[Layer, tuple[Check, ...]] = field(default_factory=dict)
    drift: Drift = field(default_factory=Drift)
    schedule: Schedule | None = None
    files: tuple[PublicFile, ...] = ()
    origin: str = ""

    @property
    def main(self) -> Source:
        """The source whose rows are predicted."""
        return self.sources[0]

    def source(self, name: str) -> Source:
        """Give one source by name; raises ``ContractError`` with the known names."""
        for source in self.sources:
            if source.name == name:
                return source
        known = [source.name for source in self.sources]
        raise ContractError(f"{self.name}: no source {name!r}; known sources: {known}")

    def fingerprint(self) -> str:
        """SHA-256 of all that decides a table or a model, first 16 hex digits.

        Limits of drift, the schedule and where files are had from are left out: they judge tables
        that are there, or say when and from where one is made; the files read have digests.
        """
        decides = asdict(self)
        for name in ("drift", "schedule", "files", "origin"):
            del decides[name]
        decides = without_unused(decides)
        # younger than the contracts: one that does not use them is what it was
        for name in ("classes", "is_number", "unit", "naive"):
            if not decides["label"][name]:
                del decides["label"][name]
        said = json.dumps(decides, sort_keys=True, default=str)
        return hashlib.sha256(said.encode()).hexdigest()[:16]


def without_unused(said: Any) -> Any:
    """Leave out what is younger than the contracts where it is not used, at any depth."""
    if isinstance(said, dict):
        items = cast("dict[str, Any]", said).items()
        return {k: without_unused(v) for k, v in items if k not in _YOUNGER or v != _YOUNGER[k]}
    if isinstance(said, tuple):
        return tuple(without_unused(item) for item in cast("tuple[Any, ...]", said))
    return said
