"""The files that a data set is published as: what they are, and where its publisher keeps them."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

_DIGEST = re.compile(r"[0-9a-f]{64}", re.ASCII)
# a name becomes part of a path and of an address; Spark passes over those that begin with _ or .
_FILE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*", re.ASCII)
FETCHED = "fetched:"


@dataclass(frozen=True, slots=True)
class PublicFile:
    """One file of a data set as its sources read it, and how it is had.

    ``sha256`` and ``num_bytes`` are those of the file itself, unpacked: packed again by a mirror,
    it stays the same. ``archive`` is the published file that holds it, empty where it is published
    as it is: a ``.gz``, or a ``.zip`` in which ``member`` is its path.
    """

    name: str
    sha256: str
    num_bytes: int
    archive: str = ""
    member: str = ""

    @property
    def published(self) -> str:
        """Name of what is downloaded."""
        return self.archive or self.name


def bad_files(dataset: str, files: Sequence[PublicFile], origin: str) -> Iterator[str]:
    """Say what is wrong with the published files of a data set, one phrase for each mistake."""
    names = [file.name for file in files]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        yield f"files: names come twice: {twice}"
    for file in files:
        unfit = [name for name in (file.name, file.published) if not _FILE.fullmatch(name)]
        if unfit:
            yield f"files: expected plain names, no paths; got {unfit}"
        if not _DIGEST.fullmatch(file.sha256):
            yield f"file {file.name}: expected a SHA-256 of 64 digits; got {file.sha256!r:.80}"
        if file.num_bytes <= 0:
            yield f"file {file.name}: expected a size above 0; got {file.num_bytes}"
        yield from _bad_archive(file)
    if origin and not origin.startswith("https://"):
        yield f"origin: expected an address like https://...; got {origin!r:.80}"
    if files and not origin:
        yield f"the files of {dataset} are published somewhere; it names no origin"


def _bad_archive(file: PublicFile) -> Iterator[str]:
    is_zip = file.archive.endswith(".zip")
    if file.archive and not is_zip and not file.archive.endswith(".gz"):
        yield f"file {file.name}: expected an archive .gz or .zip; got {file.archive!r}"
    if bool(file.member) != is_zip:
        yield f"file {file.name}: a .zip, and nothing else, has a member; got {file.member!r}"


def bad_locations(dataset: str, locations: Sequence[str], names: Sequence[str]) -> Iterator[str]:
    """Say which ``fetched:`` places of a source are no file of the data set, or none of another."""
    for location in locations:
        if not location.startswith(FETCHED):
            continue
        where, _, name = location.removeprefix(FETCHED).partition("/")
        is_ours = where == dataset and name in names
        is_other = where != dataset and _FILE.fullmatch(where) and _FILE.fullmatch(name)
        if not is_ours and not is_other:
            yield f"location {location!r}: expected {FETCHED}{dataset}/NAME, NAME of {list(names)}"
