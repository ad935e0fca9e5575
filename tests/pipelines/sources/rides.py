"""A source of six columns, one of each kind that can go wrong, and files for it."""

from pathlib import Path

from schemas.contract import Column, DatasetSpec, HashSplit, Label, Source

COLUMNS = (
    Column("ride_id", "int"),
    Column("name", "string", is_nullable=True),
    Column("fare", "double", is_nullable=True),
    Column("day", "date", is_nullable=True, earliest="1900-01-01", latest="2100-01-01"),
    Column("at", "timestamp", is_nullable=True),
    Column("phone", "long", is_nullable=True, is_personal=True),
)
HEADER = b"ride_id,name,fare,day,at,phone"
GOOD = b"1,Ann,2.5,2024-01-02,2024-01-02T10:00:00Z,5"


def source(**changes: object) -> Source:
    """The source ``rides``, changed."""
    said = {
        "name": "rides",
        "location": "package:none/rides.csv",
        "columns": COLUMNS,
        "primary_key": ("ride_id",),
        "version_by": ("at",),
        "null_values": ("NA", ""),
        "max_malformed_share": 0.5,
    }
    return Source(**{**said, **changes})  # type: ignore[arg-type]


def spec(*sources: Source) -> DatasetSpec:
    """A data set of these sources, ``rides`` alone by default."""
    return DatasetSpec(
        name="rides",
        title="Rides",
        question="Is the fare high?",
        sources=sources or (source(),),
        label=Label("is_high", "fare > 10"),
        split=HashSplit(("ride_id",)),
    )


def write(path: Path, *lines: bytes, end: bytes = b"\n") -> Path:
    """Write a header and ``lines``."""
    path.write_bytes(end.join((HEADER, *lines)) + end)
    return path
