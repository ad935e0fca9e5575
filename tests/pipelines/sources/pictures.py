"""Sources whose rows are bytes: notes, one a file, and records of a label and four bytes."""

import tarfile
from collections.abc import Mapping
from io import BytesIO
from pathlib import Path

from schemas.contract import Column, DatasetSpec, GivenSplit, Label, Source

FILES = Source(
    "notes",
    "package:none/notes",
    format="files",
    path_pattern="**/{part}/{kind}/{number}.txt",
    columns=(
        Column("path", "string"),
        Column("part", "string"),
        Column("kind", "string"),
        Column("number", "int"),
        Column("num_bytes", "long"),
        Column("digest", "string", header="sha256"),
        Column("note", "binary", header="content"),
    ),
    primary_key=("path",),
    max_file_bytes=20,
    max_malformed_share=0.9,
)
RECORDS = Source(
    "records",
    "package:none/records.bin",
    format="records",
    record_bytes=(1, 4, 2),
    columns=(
        Column("key", "string"),
        Column("label", "int"),
        Column("pixels", "binary"),
        Column("size", "long"),
    ),
    content_key="key",
    primary_key=("key",),
    max_malformed_share=0.5,
)


def spec(source: Source) -> DatasetSpec:
    """A data set of one source."""
    return DatasetSpec(
        name="notes",
        title="Notes",
        question="Which kind?",
        sources=(source,),
        label=Label("is_good", "int(kind = 'good')"),
        split=GivenSplit(("train",), ("test",), columns=("path",), by="part"),
    )


def write_folder(folder: Path, files: Mapping[str, bytes]) -> Path:
    """Write files by their paths."""
    for path, content in files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(content)
    return folder


def write_tar(path: Path, files: Mapping[str, bytes], mode: str = "w") -> Path:
    """Write an archive of files, in this order."""
    with tarfile.open(path, mode) as archive:  # type: ignore[call-overload]
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, BytesIO(content))
    return path
