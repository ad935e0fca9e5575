"""Reach what lies elsewhere, and say in plain words why it can't be reached."""

import os
import re
import socket
from collections.abc import Generator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

from pipelines.errors import ParameterError, TableError
from pipelines.storage.aws import AwsSettings, aws_settings

if TYPE_CHECKING:
    from pyarrow.fs import FileSystem

S3 = ("s3", "s3a", "s3n")
# of the one server: a wrong address is said after half a minute at most, a short break is mended
_CONNECT_S = 5.0
_SILENT_S = 10.0
_ATTEMPTS = 3
_AWS_ERROR = re.compile(r"AWS Error ([A-Z_]+)")
# fsspec drops its file systems in a forked child, such as the one that becomes Spark's JVM; the end
# of a client of HDFS waits there for ever, for threads that the child does not have
_kept: set[Any] = set()
_WRONG_KEYS = ("INVALID_ACCESS_KEY_ID", "SIGNATURE_DOES_NOT_MATCH", "INVALID_CLIENT_TOKEN_ID")


def open_remote(url: str) -> "tuple[FileSystem, str]":
    """Give the file system of an address and the path in it.

    Args:
        url: ``s3://bucket/table``, with the server, the region and the keys found where AWS's own
            tools find them; or what pyarrow.fs.FileSystem.from_uri takes (``hdfs://``, ``file://``,
            ``s3://`` with options after a question mark).

    Raises:
        ParameterError: The address holds keys, or the settings are wrong.
        OSError: The address is of no known kind.
    """
    from pyarrow import fs  # noqa: PLC0415  takes 0.2 s, which a local root saves

    parts = urlsplit(url)
    if parts.scheme == "hdfs":
        return _open_hdfs(parts.netloc), unquote(parts.path)
    if parts.scheme not in S3:
        return fs.FileSystem.from_uri(url)
    refuse_keys(url)
    if "?" in url:
        return fs.FileSystem.from_uri(f"s3{url.removeprefix(parts.scheme)}")
    settings = aws_settings(os.environ)
    server = urlsplit(settings.endpoint)
    system = fs.S3FileSystem(
        endpoint_override=server.netloc or None,
        scheme=server.scheme or "https",
        region=settings.region if settings.endpoint else fs.resolve_s3_region(parts.netloc),
        connect_timeout=_CONNECT_S,
        request_timeout=_SILENT_S,
        retry_strategy=fs.AwsStandardS3RetryStrategy(max_attempts=_ATTEMPTS),
    )
    path = url.removeprefix(f"{parts.scheme}://")
    return system, unquote(path).rstrip("/")


def _open_hdfs(address: str) -> "FileSystem":
    # pyarrow's own client needs Hadoop's native library, which no package index has
    from hdfs_native.fsspec import HdfsFileSystem  # noqa: PLC0415  needed for HDFS only
    from pyarrow.fs import FSSpecHandler, PyFileSystem  # noqa: PLC0415  see open_remote

    host, _, port = address.partition(":")
    if port:
        # its client would try for minutes
        socket.create_connection((host, int(port)), _CONNECT_S).close()
    system = HdfsFileSystem(host, int(port) if port else None)
    _kept.add(system)
    return PyFileSystem(FSSpecHandler(system))


def refuse_keys(url: str) -> None:
    """Raise ``ParameterError`` if an address holds a name or keys; the message does not."""
    parts = urlsplit(url)
    if re.search("[:@]" if parts.scheme in S3 else "@", parts.netloc):
        raise ParameterError(
            "expected an address like s3://bucket/table; got one with keys in it, which command "
            "lines and records show to all. Set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or a "
            "profile, and change the keys: they were shown"
        )


def delta_options(url: str) -> dict[str, str]:
    """Give what delta-rs is to be told of the table at ``url``; it looks for keys itself.

    A commit on S3 is put with ``If-None-Match: *``, as Spark's sessions do it here.
    """
    if urlsplit(url).scheme not in S3:
        return {}
    settings = aws_settings(os.environ)
    options = {"conditional_put": "etag", "max_retries": str(_ATTEMPTS), "retry_timeout": "30s"}
    options |= {"connect_timeout": f"{_CONNECT_S:.0f}s", "timeout": f"{_SILENT_S:.0f}s"}
    if settings.endpoint:
        options |= {"AWS_ENDPOINT_URL": settings.endpoint, "AWS_REGION": settings.region}
        options["AWS_ALLOW_HTTP"] = str(settings.endpoint.startswith("http://")).lower()
    return options


@contextmanager
def plain_errors(url: str, version: int | None = None) -> Generator[None]:
    """Turn what pyarrow and the disk say into one line that says what to do.

    Raises:
        TableError: Something went wrong in the block.
    """
    from pyarrow import ArrowException  # noqa: PLC0415  see open_remote

    named = url if version is None else f"{url}@v{version}"
    try:
        yield
    except (OSError, ArrowException) as error:
        raise TableError(f"{named}: {_explain(error, url)}") from error


def _explain(error: Exception, url: str) -> str:
    # of an error on HDFS, the lines after the first are the name node's stack
    said = str(error).strip().partition("\n")[0].rstrip(".")
    if urlsplit(url).scheme == "hdfs":
        return (
            f"expected an answer from HDFS at {urlsplit(url).netloc}; got {said}. Check the "
            "address, and that the name node and data nodes run"
        )
    found = _AWS_ERROR.search(said)
    if urlsplit(url).scheme not in S3 or "?" in url or not found:
        return (
            f"expected a table that can be read; got {said}. Check the address, the "
            "credentials, and the space on the disk of the cache"
        )
    return _explain_s3(found[1], said, urlsplit(url).netloc, aws_settings(os.environ))


def _explain_s3(code: str, said: str, bucket: str, settings: AwsSettings) -> str:
    keys, server = settings.keys, settings.server
    if code == "NO_SUCH_BUCKET":
        return (
            f"expected a bucket {bucket!r}; {server} has none. Correct the address of the table, "
            "or the server's (AWS_ENDPOINT_URL)"
        )
    if code == "NETWORK_CONNECTION":
        return (
            f"expected an answer from {server}; got none in {_ATTEMPTS} attempts ({said}). Check "
            "the address (AWS_ENDPOINT_URL) and the network, and run again: whole files are kept"
        )
    if code in _WRONG_KEYS:
        return (
            f"expected keys that {server} knows; it refuses those of {keys} ({said}). Correct them"
        )
    if code == "ACCESS_DENIED" and not keys:
        return (
            f"expected keys for {server}; found none, and it gives nothing without. Looked at "
            f"{settings.looked_at}"
        )
    if code == "ACCESS_DENIED":
        return (
            f"expected to be let in by {server}; it denies access to the keys of {keys} ({said}). "
            f"They need s3:ListBucket and s3:GetObject on bucket {bucket!r}"
        )
    return (
        f"expected an S3 server at {server}; got {said}. Check the address of the table, and the "
        "server's (AWS_ENDPOINT_URL)"
    )
