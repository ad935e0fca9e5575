"""Look at source files before Spark does: kind, header, digest, and how many rows there must be.

The rows are counted here, in Python, by the same rule that Spark cuts lines by; that count is what
the rows Spark read are held against.
"""

import csv
import gzip
import io
import zlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, cast

from pipelines.errors import ContractError
from pipelines.sources.header import check_header
from pipelines.sources.unpack import CHUNK_BYTES, check_size
from pipelines.state import file_digest
from schemas.contract import Source

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

MAX_LINE_BYTES = 2**20
# a header longer than this, or a row that no reader could hold
_MAX_HEADER_BYTES = 2**20
_MAX_UNBROKEN_BYTES = 128 * 2**20
_GZIP = b"\x1f\x8b"
_MAGIC = {
    _GZIP: "gzip",
    b"PK\x03\x04": "zip",
    b"PAR1": "Parquet",
    b"BZh": "bzip2",
    b"\x28\xb5\x2f\xfd": "Zstandard",
}


@dataclass(frozen=True, slots=True)
class SourceFile:
    """One file of a source.

    ``num_rows`` counts lines after the header (records, where a quoted field may hold a line end);
    ``num_skipped`` those of them that are empty and that the reader of records never gives.
    """

    name: str
    path: str
    digest: str
    num_bytes: int
    num_rows: int
    num_skipped: int = 0


def inspect_files(
    dataset: str, source: Source, paths: Sequence[Path]
) -> tuple[tuple[SourceFile, ...], tuple[str, ...]]:
    """Inspect the files of ``source``.

    Returns:
        The files to read, by name; and the paths left out because another file has the same bytes.

    Raises:
        ContractError: A file is empty, not text, has another header, or shares its name (which
            orders the versions of a row) with another.
    """
    files: dict[str, SourceFile] = {}
    repeated: list[str] = []
    for path in paths:
        digest = file_digest(path)
        if digest in files:
            repeated.append(str(path))
        else:
            title = f"{dataset}: source {source.name}: {path}"
            files[digest] = _inspect(title, path, source, digest)
    kept = sorted(files.values(), key=lambda file: file.name)
    names = [file.name for file in kept]
    for name in names:
        if names.count(name) > 1:
            raise ContractError(
                f"{dataset}: source {source.name}: {names.count(name)} different files are named "
                f"{name!r}; names say which version of a row is later. Rename them in that order"
            )
    return tuple(kept), tuple(repeated)


def count_lines(chunks: Iterable[bytes]) -> int:
    r"""Count lines as Hadoop's LineReader cuts them: LF, CR or CRLF ends one.

    The last line may lack its end.

    >>> count_lines([b"a\r", b"\nb\rc"])
    3
    """
    ends, last = 0, b""
    for chunk in chunks:
        pairs = chunk.count(b"\r\n") + (last == b"\r" and chunk[:1] == b"\n")
        ends += chunk.count(b"\n") + chunk.count(b"\r") - pairs
        last = chunk[-1:] or last
    return ends + (last not in (b"", b"\n", b"\r"))


def count_records(title: str, stream: BinaryIO, source: Source) -> tuple[int, int]:
    """Count records by RFC 4180, header included: (all, those that are empty).

    Raises:
        ContractError: A quote is never closed, text follows a closing quote, or a field is longer
            than ``MAX_LINE_BYTES``.
    """
    text = io.TextIOWrapper(stream, encoding="utf-8-sig", errors="replace", newline="")
    reader = csv.reader(text, delimiter=source.delimiter, strict=True)
    former = csv.field_size_limit(MAX_LINE_BYTES)
    num_all, num_empty = 0, 0
    try:
        for record in reader:
            num_all += 1
            num_empty += not record
    except csv.Error as error:
        raise ContractError(
            f"{title}: expected quoted fields by RFC 4180; record {num_all + 1}, which ends in "
            f"line {reader.line_num}: {error}. A quote that is never closed would swallow all rows "
            "after it: correct the file"
        ) from None
    finally:
        csv.field_size_limit(former)
    return num_all, num_empty


def _inspect(title: str, path: Path, source: Source, digest: str) -> SourceFile:
    _check_kind(title, path)
    with _open(title, path) as stream:
        head = stream.read(_MAX_HEADER_BYTES)
    if not head.removeprefix(b"\xef\xbb\xbf").strip():
        raise ContractError(
            f"{title}: expected a header and rows; the file is empty. Fetch it again"
        )
    check_header(title, head.splitlines()[0], source)
    with _open(title, path) as stream:
        if source.is_multiline:
            num_all, num_skipped = count_records(title, stream, source)
        else:
            num_all, num_skipped = count_lines(iter(lambda: stream.read(CHUNK_BYTES), b"")), 0
    if num_all - num_skipped == 1:
        raise ContractError(f"{title}: expected rows; the file holds a header only. Fetch it again")
    size = path.stat().st_size
    return SourceFile(path.name, str(path), digest, size, num_all - 1, num_skipped)


def _check_kind(title: str, path: Path) -> None:
    with path.open("rb") as file:
        start = file.read(4)
    kind = next((name for magic, name in _MAGIC.items() if start.startswith(magic)), "text")
    expected = "gzip" if path.suffix == ".gz" else "text"
    if start and kind != expected:
        raise ContractError(
            f"{title}: expected {expected}, by its name; its first bytes, 0x{start.hex()}, are "
            f"{kind}. Rename it, or unpack it first"
        )


def _open(title: str, path: Path) -> io.BufferedReader:
    return io.BufferedReader(_Watched(title, path), CHUNK_BYTES)


class _Watched(io.RawIOBase):
    """The bytes of a file, unpacked; stops at damage, at a bomb and at a line without an end."""

    def __init__(self, title: str, path: Path) -> None:
        super().__init__()
        self._title, self._path = title, path
        self._is_packed = path.suffix == ".gz"
        # closed in close(), with this stream
        opened = gzip.open(path) if self._is_packed else path.open("rb")  # noqa: SIM115
        self._stream = cast(BinaryIO, opened)
        self._size, self._total, self._unbroken = path.stat().st_size, 0, 0

    def readable(self) -> bool:
        return True

    def close(self) -> None:
        self._stream.close()
        super().close()

    def readinto(self, buffer: "WriteableBuffer", /) -> int:
        view = memoryview(buffer).cast("B")
        try:
            chunk = self._stream.read(len(view))
        except (EOFError, gzip.BadGzipFile, zlib.error) as error:
            raise ContractError(
                f"{self._title}: damaged gzip, {error}, after {self._total:,} bytes. Fetch it again"
            ) from error
        self._check(chunk)
        view[: len(chunk)] = chunk
        return len(chunk)

    def _check(self, chunk: bytes) -> None:
        self._total += len(chunk)
        broken = max(chunk.rfind(b"\n"), chunk.rfind(b"\r"))
        self._unbroken = self._unbroken + len(chunk) if broken < 0 else len(chunk) - broken
        if self._is_packed:
            check_size(self._title, self._path, self._size, self._total)
        if self._unbroken > _MAX_UNBROKEN_BYTES:
            raise ContractError(
                f"{self._title}: expected lines; none ends for {_MAX_UNBROKEN_BYTES:,} bytes. "
                "Is it text?"
            )
