"""Checksums of files, kept beside them: a bit that flipped on a disk must not become a row.

Hadoop's local file system writes ``.NAME.crc`` beside each file that Spark writes, and verifies it
when Spark reads; pyarrow and delta-rs know nothing of it. Who reads a file without Spark verifies
it here; who writes one without Spark protects it here, in the same form, so that Spark verifies it
too. A file without such a companion is another writer's: it is read as it is.
Form (org.apache.hadoop.fs.ChecksumFileSystem): ``crc`` and a zero, the bytes per checksum as four
bytes, then the CRC-32 of each piece of so many bytes, four bytes each, big-endian.
"""

import struct
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from pipelines.errors import TableError
from pipelines.storage.place import RemotePath

_MAGIC = b"crc\0"
_HEAD = struct.Struct(">4sI")
_PIECE = 512
_BLOCK = 1 << 20


def verify(path: Path) -> None:
    """Raise unless the bytes of a file are those that were written, as far as that is known.

    Raises:
        TableError: They differ; names the file and the first place.
    """
    if isinstance(path, RemotePath):
        return  # S3 and HDFS keep checksums of their own
    expected = _expected(path)
    if expected is None:
        return
    piece, sums = expected
    with path.open("rb") as file:
        came = list(_sums(file, piece))
    if came == sums:
        return
    differing = (n for n, (a, b) in enumerate(zip(came, sums, strict=False)) if a != b)
    place = piece * next(differing, min(len(came), len(sums)))
    raise TableError(
        f"{path}: expected the bytes that were written; from byte {place} on they differ from the "
        f"checksums in {companion(path).name}. One of the two files was altered: restore it, or "
        "make the table again"
    )


def read_verified(path: Path) -> bytes:
    """Give the content of a file whose checksums, if it has any, agree.

    Raises:
        TableError: They differ.
    """
    verify(path)
    return path.read_bytes()


def protect(path: Path) -> None:
    """Keep the checksums of a file that was just written, unless its writer has done so."""
    kept = companion(path)
    if kept.exists():
        return
    with path.open("rb") as file:
        sums = list(_sums(file, _PIECE))
    scratch = kept.with_name(f"{kept.name}.tmp")
    scratch.write_bytes(_HEAD.pack(_MAGIC, _PIECE) + struct.pack(f">{len(sums)}I", *sums))
    scratch.replace(kept)


def companion(path: Path) -> Path:
    """Give the path of the file that holds the checksums of another."""
    return path.with_name(f".{path.name}.crc")


def _expected(path: Path) -> tuple[int, list[int]] | None:
    """Bytes per checksum, and the checksums; None if the file has none."""
    try:
        content = companion(path).read_bytes()
    except FileNotFoundError:
        return None
    head = content[: _HEAD.size].ljust(_HEAD.size, b"\0")
    magic, piece = _HEAD.unpack(head)
    sums = content[_HEAD.size :]
    if magic != _MAGIC or not 0 < piece <= _BLOCK or len(sums) % 4:
        raise TableError(
            f"{companion(path)}: expected checksums of {path.name} in Hadoop's form; got "
            f"{content[:8]!r}. The file was altered: restore it, or make the table again"
        )
    return piece, list(struct.unpack(f">{len(sums) // 4}I", sums))


def _sums(file: BinaryIO, piece: int) -> Iterator[int]:
    block = piece * (_BLOCK // piece)
    while content := file.read(block):
        view = memoryview(content)
        for start in range(0, len(view), piece):
            yield zlib.crc32(view[start : start + piece])
