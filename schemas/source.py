"""Where rows come from: the files of a data set, how they are cut, and the columns they have."""

from dataclasses import dataclass
from typing import Literal, TypeAlias

from schemas.check import Check
from schemas.image import ImageShape
from schemas.interval import Every

ColumnType: TypeAlias = Literal[
    "string", "int", "long", "float", "double", "boolean", "timestamp", "date", "binary",
    "array<int>",
]  # fmt: skip
Encoding: TypeAlias = Literal["utf-8", "latin-1"]
Format: TypeAlias = Literal["csv", "files", "records"]
# what a source of files knows of each beside the fields of its path
FILE_FIELDS = ("path", "num_bytes", "sha256", "content")
CONTENT = FILE_FIELDS[-1]


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
    installed Python package, ``fetched:DATASET/NAME`` one of the ``files`` of this or another data
    set, which ``gristmill fetch`` gets; a run may give another place. A ``.zip`` with one file and
    a ``.tar`` or ``.tar.gz`` with any number of them are unpacked.

    Rows of one ``primary_key`` are versions of one another: the greatest ``version_by`` wins, then
    the later file name, then the later position. With an ``interval``, numbers of checks are also
    kept for each interval of ``time``; choose it so that a table has hundreds of them at most.

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
