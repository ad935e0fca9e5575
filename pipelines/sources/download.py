"""Get one published file from a folder or an address, and no more of it than it can be.

Only https is followed (and http on this machine's loopback, where nobody can listen in), across
redirects too: an address that leads elsewhere, such as file:, is refused.
"""

import http.client
import shutil
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Generator
from contextlib import contextmanager
from ipaddress import ip_address
from pathlib import Path
from typing import IO, BinaryIO, cast

from pipelines.errors import ContractError, ParameterError
from pipelines.sources.unpack import CHUNK_BYTES

TIMEOUT_S = 60.0  # of one answer on a socket, not of the whole


def is_address(place: str) -> bool:
    """Say whether ``place`` is an address rather than a folder."""
    return "://" in place


def check_address(address: str) -> str:
    """Give ``address`` back if it is one that is followed.

    Raises:
        ParameterError: It is not https, nor http on loopback.
    """
    try:
        parts = urllib.parse.urlsplit(address)
        host, _ = parts.hostname or "", parts.port
    except ValueError as error:
        raise ParameterError(f"expected an address like https://...; got {address!r}") from error
    is_taken = parts.scheme == "https" or (parts.scheme == "http" and _is_loopback(host))
    if not is_taken or not host or parts.username or parts.password:
        shown = parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()
        raise ParameterError(
            f"expected an address like https://HOST/FOLDER, without a password (http only on "
            f"loopback); got {shown!r}"
        )
    return address


def join_address(base: str, name: str) -> str:
    """Give the address of ``name`` in the folder ``base``, or ``base`` if it is that of the file.

    >>> join_address("https://example.org/data", "a.csv")
    'https://example.org/data/a.csv'
    """
    parts = urllib.parse.urlsplit(base)
    if parts.path.rpartition("/")[2] == name:
        return base
    path = f"{parts.path.rstrip('/')}/{urllib.parse.quote(name)}"
    return parts._replace(path=path).geturl()


def download(title: str, address: str, target: Path, max_bytes: int) -> None:
    """Write what ``address`` answers to the new file ``target``.

    Raises:
        ContractError: It can't be reached, has no such file, breaks off, or sends more than
            ``max_bytes``, which is said before they are stored.
        ParameterError: It leads to an address that is not followed.
    """
    with _opened(title, address) as answer, target.open("xb") as file:
        said = answer.headers.get("Content-Length", "")
        expected = int(said) if said.isascii() and said.isdigit() else None
        if expected is not None and expected > max_bytes:
            raise _too_large(title, address, expected, max_bytes)
        came = _copy(title, address, answer, file, max_bytes)
    if expected is not None and came != expected:
        raise ContractError(
            f"{title}: {address} broke off after {came:,} of {expected:,} bytes. Fetch it again"
        )


def copy_file(title: str, path: Path, target: Path, max_bytes: int) -> None:
    """Copy the plain file ``path`` to the new file ``target``.

    Raises:
        ContractError: It is missing, no plain file, or larger than ``max_bytes``.
    """
    if not path.is_file():
        kind = "not a plain file" if path.exists() else "missing"
        raise ContractError(f"{title}: expected a file at {path}; it is {kind}. Correct --from")
    if (size := path.stat().st_size) > max_bytes:
        raise _too_large(title, str(path), size, max_bytes)
    shutil.copyfile(path, target)


def _copy(title: str, address: str, answer: IO[bytes], file: BinaryIO, max_bytes: int) -> int:
    came = 0
    try:
        while chunk := answer.read(CHUNK_BYTES):
            came += len(chunk)
            if came > max_bytes:
                raise _too_large(title, address, came, max_bytes)
            file.write(chunk)
    except (http.client.HTTPException, TimeoutError, ConnectionError) as error:
        raise _unreachable(title, address, error) from error
    return came


@contextmanager
def _opened(title: str, address: str) -> Generator[http.client.HTTPResponse]:
    host = urllib.parse.urlsplit(check_address(address)).hostname or ""
    opener = urllib.request.OpenerDirector()
    for handler in (
        # a proxy of the environment; nobody's for this machine
        urllib.request.ProxyHandler({} if _is_loopback(host) else None),
        urllib.request.HTTPHandler(),
        urllib.request.HTTPSHandler(),
        urllib.request.HTTPDefaultErrorHandler(),
        urllib.request.HTTPErrorProcessor(),
        _Redirects(),
    ):
        opener.add_handler(handler)
    try:
        answer = cast(http.client.HTTPResponse, opener.open(address, timeout=TIMEOUT_S))
    except urllib.error.HTTPError as error:
        with error:
            raise ContractError(
                f"{title}: {error.url} answers {error.code} {error.reason}. Is --from the address "
                "of the folder that holds it?"
            ) from error
    except (urllib.error.URLError, http.client.HTTPException, OSError) as error:
        raise _unreachable(title, address, error) from error
    with answer:
        yield answer


class _Redirects(urllib.request.HTTPRedirectHandler):
    """Follows a redirect only to an address that would be followed by itself, and not to http."""

    max_redirections = 5

    def redirect_request(  # noqa: PLR0913, PLR0917  the signature is urllib's
        self,
        req: urllib.request.Request,
        fp: IO[bytes],
        code: int,
        msg: str,
        headers: http.client.HTTPMessage,
        newurl: str,
    ) -> urllib.request.Request | None:
        is_down = req.type == "https" and not newurl.lower().startswith("https:")
        try:
            check_address("http:" if is_down else newurl)
        except ParameterError as error:
            fp.close()
            raise ParameterError(f"{req.full_url} leads to {newurl!r}: {error}") from error
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _too_large(title: str, place: str, size: int, max_bytes: int) -> ContractError:
    return ContractError(
        f"{title}: expected at most {max_bytes:,} bytes at {place}; it has {size:,} or more. It is "
        "another file: correct --from"
    )


def _unreachable(title: str, address: str, error: Exception) -> ContractError:
    why = getattr(error, "reason", "") or str(error) or type(error).__name__
    return ContractError(f"{title}: {address} can't be reached: {why}. Try again, or give --from")
