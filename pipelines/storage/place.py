"""Paths under a root that lies elsewhere, with the part of ``pathlib.Path`` that the rooms use.

A root on S3 or HDFS is one setting; what joins paths, reads and writes JSON, pages and logs asks
``place`` for a path and need not know where it lies. What only a local disk can do (locks, SQLite,
a file handed to a tool) raises one clear line instead of making a local folder named ``s3a:``.
"""

import os
import re
from collections.abc import Generator
from contextlib import suppress
from fnmatch import fnmatchcase
from functools import lru_cache
from pathlib import Path, PosixPath
from typing import Any, NamedTuple, NoReturn
from urllib.parse import urlsplit
from uuid import uuid4

from pipelines.errors import ParameterError
from pipelines.storage.aws import AwsSettings, aws_settings
from pipelines.storage.remote import S3, open_remote, plain_errors, refuse_keys

_HDFS = "hdfs"
_KNOWN = "a local path, s3a://bucket/path or hdfs://host:port/path"


def place(text: str | Path) -> Path:
    """Give the path that a root, a table or a file of ours is named by.

    ``s3://`` and ``s3n://`` are taken as ``s3a://``, the name that Hadoop's client has for S3.

    Raises:
        ParameterError: The address is of an unknown kind, names no bucket or host, or holds keys.
    """
    if isinstance(text, Path):
        return text
    scheme, mark, rest = text.partition("://")
    if not mark:
        return Path(text)
    if scheme == "file":
        return Path(rest)
    if scheme == "abfss":
        raise ParameterError(
            f"expected {_KNOWN}; got {text}. Azure's stores are not served: there was none to test "
            "with. Give another root"
        )
    if scheme not in (*S3, _HDFS):
        raise ParameterError(f"expected {_KNOWN}; got {text}. Correct the address")
    refuse_keys(text)
    if not rest.partition("/")[0]:
        named = "a host, as hdfs://host:port/path" if scheme == _HDFS else "a bucket"
        raise ParameterError(f"expected {named}; got {text}. Correct the address")
    return RemotePath(f"{_HDFS if scheme == _HDFS else 's3a'}://{rest}")


def check_root(root: str) -> None:
    """Raise unless ``root`` can be reached: asked before anything starts that takes long.

    Raises:
        ParameterError: The address is of an unknown kind, or the settings are wrong.
        TableError: There is no such bucket, or the server does not answer or lets nobody in.
    """
    path = place(root)
    if isinstance(path, RemotePath):
        path.check_bucket()


def is_remote(text: str | Path) -> bool:
    """Say whether a path or its text lies on S3 or HDFS."""
    return isinstance(text, RemotePath) or "://" in str(text)


class FileFacts(NamedTuple):
    """Size of a file in bytes, and when it was changed last, in seconds since 1970."""

    num_bytes: int
    changed_at_s: float


class RemotePath(PosixPath):
    """A path on S3 or HDFS; as text ``s3a://bucket/lake/flights``.

    Each call asks the server; an error of its is a ``TableError`` that says what to do.
    """

    __slots__ = ()

    def __str__(self) -> str:
        scheme, _, rest = super().__str__().partition(":/")
        return f"{scheme}://{rest}"

    def __fspath__(self) -> NoReturn:
        raise ParameterError(
            f"expected a local root for what this step does; got {self}. Give --root a folder of "
            "this machine (README, Object storage, says what works on which root)"
        )

    def absolute(self) -> "RemotePath":
        """Give the path itself: it has its root in it."""
        return self

    def exists(self) -> bool:
        """Say whether there is a file or a folder."""
        return bool(self._kind())

    def is_file(self) -> bool:
        """Say whether there is a file."""
        return self._kind() == "File"

    def is_dir(self) -> bool:
        """Say whether there is a folder; on S3, something below it."""
        return self._kind() == "Directory"

    def read_bytes(self) -> bytes:
        """Give a file's content."""
        with plain_errors(str(self)), self._files().open_input_file(self._key()) as file:
            return file.read()

    def read_text(self, encoding: str | None = None, errors: str | None = None) -> str:
        """Give a file's content as text."""
        return self.read_bytes().decode(encoding or "utf-8", errors or "strict")

    def write_bytes(self, data: Any) -> int:
        """Put a file there, whole or not at all; who reads sees the former or this one."""
        content = bytes(data)
        files, key = self._files(), self._key()
        # an object appears when it is whole; a file of HDFS grows, so it takes its name at last
        scratch = f"{key.rpartition('/')[0]}/.{uuid4()}.tmp" if self._is_hdfs() else key
        with plain_errors(str(self)):
            if scratch != key:
                files.create_dir(key.rpartition("/")[0], recursive=True)
            with files.open_output_stream(scratch) as file:
                file.write(content)
            if scratch != key:
                # pyarrow's move replaces nothing there
                files.handler.fs.mv(scratch, key, overwrite=True)
        return len(content)

    def mkdir(self, mode: int = 0o777, parents: bool = False, exist_ok: bool = False) -> None:  # noqa: FBT001, FBT002  pathlib's
        """Do nothing: a folder is there once a file is in it."""

    def unlink(self, missing_ok: bool = False) -> None:  # noqa: FBT001, FBT002  pathlib's
        """Take a file away."""
        with plain_errors(str(self)), suppress(*[FileNotFoundError] if missing_ok else []):
            self._files().delete_file(self._key())

    def glob(self, pattern: str) -> Generator["RemotePath", None, None]:
        """Give what in this folder has a name like ``pattern``, by name; no folders below it."""
        if "/" in pattern:
            raise ValueError(f"expected a pattern of names in {self}; got {pattern!r}")
        for name in sorted(self.names()):
            if fnmatchcase(name, pattern):
                yield self / name

    def names(self) -> list[str]:
        """Give the names of what is in this folder."""
        from pyarrow.fs import FileSelector  # noqa: PLC0415  takes 0.2 s, which a local root saves

        with plain_errors(str(self)):
            selector = FileSelector(self._key(), allow_not_found=True)
            return [info.base_name for info in self._files().get_file_info(selector)]

    def files_below(self) -> list[str]:
        """Give the files in this folder and all below it, relative to it."""
        return sorted(self.facts_below())

    def facts_below(self) -> dict[str, FileFacts]:
        """Give the same files with what is known of each, by one list of the server's."""
        from pyarrow.fs import FileSelector  # noqa: PLC0415  the same

        with plain_errors(str(self)):
            if self._is_hdfs():
                # pyarrow drops the times that this client gives
                of_hdfs = self._files().handler.fs.find(self._key(), detail=True)
                found = {
                    path: FileFacts(info["size"], info["modification_time"] / 1000)
                    for path, info in of_hdfs.items()
                }
            else:
                selector = FileSelector(self._key(), allow_not_found=True, recursive=True)
                listed = self._files().get_file_info(selector)
                found = {
                    info.path: FileFacts(info.size, info.mtime_ns / 1e9)
                    for info in listed
                    if info.is_file
                }
        return {path.removeprefix(f"{self._key()}/"): facts for path, facts in found.items()}

    def check_bucket(self) -> None:
        """Raise ``TableError`` unless the bucket, or HDFS, is there and answers."""
        files, key = self._files(), "/" if self._is_hdfs() else self._key().partition("/")[0]
        with plain_errors(str(self)):
            if files.get_file_info(key).type.name == "NotFound":
                raise FileNotFoundError(f"AWS Error NO_SUCH_BUCKET: {key}")

    def remove_tree(self) -> None:
        """Take a folder away, and all below it."""
        with plain_errors(str(self)), suppress(FileNotFoundError):
            self._files().delete_dir(self._key())

    def _kind(self) -> str:
        with plain_errors(str(self)):
            kind: str = self._files().get_file_info(self._key()).type.name
        return "" if kind == "NotFound" else kind

    def _is_hdfs(self) -> bool:
        return str(self).startswith(_HDFS)

    def _key(self) -> str:
        parts = urlsplit(str(self).replace("?", "%3F").replace("#", "%23"))
        path = parts.path.replace("%3F", "?").replace("%23", "#")
        return path if self._is_hdfs() else f"{parts.netloc}{path}".rstrip("/")

    def _files(self) -> Any:
        address = re.sub(r"^(\w+://[^/]+).*", r"\1", str(self))
        settings = None if self._is_hdfs() else aws_settings(os.environ)
        with plain_errors(str(self)):
            return _open(address, settings)


@lru_cache(maxsize=8)
def _open(address: str, _settings: AwsSettings | None) -> Any:
    return open_remote(address)[0]
