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
from schemas.image import ImageShape
from schemas.interval import Every, Interval
from schemas.near import NearDuplicates, NearImages
from schemas.published import PublicFile
from schemas.schedule import Schedule
from schemas.split import GivenSplit, HashSplit, Split, TimeSplit
from schemas.target import Label

__all__ = [
    "CONTENT", "FILE_FIELDS", "LAYERS", "SPLITS", "SPLIT_COLUMN", "Check", "Column", "ColumnType",
    "ContractError", "DatasetSpec", "Derived", "Format", "GivenSplit", "HashSplit", "Label",
    "Layer", "NearDuplicates", "PublicFile", "Rule", "Severity", "Source", "Split", "TableSpec",
    "TimeSplit", "Unpivot",
]  # fmt: skip

ColumnType: TypeAlias = Literal[
    "string", "int", "long", "float", "double", "boolean", "timestamp", "date", "binary",
    "array<int>",
]  # fmt: skip
Encoding: TypeAlias = Literal["utf-8", "latin-1"]
Format: TypeAlias = Literal["csv", "files", "records"]
# what a source of files knows of each beside the fields of its path
FILE_FIELDS = ("path", "num_bytes", "sha256", "content")
CONTENT = FILE_FIELDS[-1]
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
    "encoding": "utf-8", "has_quotes": True,
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Column:
    """One column of a table.

    ``is_outcome`` marks what is known only after the moment of prediction: such a column can be a
    label or feed a ``Rolling`` once its event has happened, never a feature of its own row.
    ``is_personal`` columns are masked wherever a person may read them. ``earliest`` and ``latest``
    bound a date or timestamp of a source, half-open, ISO dates or timestamps, UTC; empty for no
    bound. Rows outside, such as the year 9999 for "never", are malformed. ``header`` is its name in
    the header of a file, where that is none for a table (``body-mass``). ``image`` says what each
    image of a binary column must be; others are malformed.
    """

    name: str
    type: ColumnType
    is_nullable: bool = False
    unit: str = ""
    description: str = ""
    is_outcome: bool = False
    is_personal: bool = False
    earliest: str = ""
    latest: str = ""
    header: str = ""
    image: ImageShape | None = None

    @property
    def file_name(self) -> str:
        """Its name in a file's header."""
        return self.header or self.name


@dataclass(frozen=True, slots=True)
class Derived:
    """A column computed from others of the same source by a Spark SQL expression, at split time.

    ``sql`` must be deterministic: no clock and no random numbers.
    """

    column: Column
    sql: str


@dataclass(frozen=True, slots=True)
class Unpivot:
    """Columns that hold the same of one thing each, such as of each sensor: made rows by the split.

    Each row becomes as many as there are ``columns``. Of each, the text column ``name`` holds
    which, as the header of a file calls it, and the column ``value`` its value, which may be null;
    other columns are repeated.
    """

    columns: tuple[str, ...]
    name: Column
    value: Column


@dataclass(frozen=True, slots=True)
class Source:
    """One input of a data set and the raw table it becomes.

    ``location`` names a public default, or several: ``package:NAME/PATH`` is a file inside an
    installed Python package (a ``.zip`` with one member is unpacked), ``fetched:DATASET/NAME`` one
    of the ``files`` of this or another data set, which ``gristmill fetch`` gets; a run may give
    another place. Rows of one ``primary_key`` are versions of one another: the greatest
    ``version_by`` wins, then the later file name, then the later position. With an ``interval``,
    numbers of checks are also kept for each interval of ``time``; choose it so that a table has
    hundreds of them at most.

    Rows without a key of their own get ``content_key``: the text column of that name is in no file,
    but a digest of the row's file name and text, so that equal rows of one file have one key.

    Cells are cut by RFC 4180, or without ``has_quotes`` at each delimiter, quotes being text. With
    the ``encoding`` ``latin-1`` a line that is no UTF-8 is read as ISO 8859-1.

    ``files``: each file of a folder or of a ``.tar`` is a row. A column is named, by its ``header``
    or itself, as what it holds: ``path`` (inside the folder), ``num_bytes``, ``sha256``,
    ``content`` (binary, or string: UTF-8), or as a field of ``path_pattern``, such as
    ``{split}/{label}/{name}.jpg``: a field is text without ``/``, as is ``*``; ``**/`` stands for
    any folders. Files of more than ``max_file_bytes`` are not read.

    ``records``: rows of a fixed number of bytes, without a header; ``record_bytes`` says how many
    are of each column: binary, or an unsigned number, the most significant byte first.

    A wide main source may be made long by ``unpivot``; raw and deduplicated tables are as wide as
    its files, later ones are long, their key the ``primary_key`` and the name of the column.
    """

    name: str
    location: str | tuple[str, ...]
    columns: tuple[Column, ...]
    primary_key: tuple[str, ...]
    version_by: tuple[str, ...] = ()
    time: str = ""
    interval: Every | Literal[""] = ""
    format: Format = "csv"
    delimiter: str = ","
    has_header: bool = True
    has_quotes: bool = True
    encoding: Encoding = "utf-8"
    content_key: str = ""
    is_multiline: bool = False
    null_values: tuple[str, ...] = ("",)
    path_pattern: str = ""
    max_file_bytes: int = 64 * 2**20
    record_bytes: tuple[int, ...] = ()
    max_malformed_share: float = 0.05
    checks: tuple[Check, ...] = ()
    unpivot: Unpivot | None = None

    @property
    def long_columns(self) -> tuple[Column, ...]:
        """The columns from the split on."""
        if self.unpivot is None:
            return self.columns
        kept = tuple(item for item in self.columns if item.name not in self.unpivot.columns)
        return (*kept, self.unpivot.name, self.unpivot.value)

    @property
    def long_key(self) -> tuple[str, ...]:
        """The primary key from the split on."""
        return (*self.primary_key, *([self.unpivot.name.name] if self.unpivot else []))

    @property
    def rows_of_each(self) -> int:
        """How many rows the split makes of each row."""
        return len(self.unpivot.columns) if self.unpivot else 1

    @property
    def file_columns(self) -> tuple[Column, ...]:
        """The columns that a file has, in its order."""
        return tuple(column for column in self.columns if column.name != self.content_key)

    @property
    def content_columns(self) -> tuple[Column, ...]:
        """Columns that bytes are taken into as they are: content of a file, parts of a record."""
        if self.format == "files":
            return tuple(column for column in self.file_columns if column.file_name == CONTENT)
        return tuple(column for column in self.file_columns if column.type == "binary")

    @property
    def text_columns(self) -> tuple[Column, ...]:
        """The other columns of a file, which come as text cells, in its order."""
        contents = self.content_columns
        return tuple(column for column in self.file_columns if column not in contents)

    @property
    def locations(self) -> tuple[str, ...]:
        """The public default, one place or several."""
        return (self.location,) if isinstance(self.location, str) else self.location

    @property
    def num_header_lines(self) -> int:
        """Lines before the first row of a file."""
        return int(self.has_header and self.format == "csv")


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
        for source in decides["sources"]:
            if source["unpivot"] is None:
                del source["unpivot"]
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
