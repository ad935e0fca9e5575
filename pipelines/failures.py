"""What Spark, Java and the system say when they fail, as one line that a user can act on.

An exception of Spark's carries the Java one as text only, among hundreds of lines, and may wrap it
several times; so the text is searched for the words that tell what went wrong.
"""

import errno
import re
from collections.abc import Callable
from typing import TypeAlias

_Say: TypeAlias = Callable[[re.Match[str]], str]

_FILE = r"(?:file:)?(?://)?(/[^\s\"']+?)"
_NO_SPACE = re.compile("No space left on device")


def _out_of_memory(_: re.Match[str]) -> str:
    return (
        "Spark's driver ran out of memory or was killed. Give it more heap (spark.driver.memory in "
        "spark-defaults.conf, or --driver-memory of spark-submit) or fewer rows a task; no version "
        "that was committed is changed"
    )


def _altered(found: re.Match[str]) -> str:
    return (
        f"{found[1]}: expected the bytes that were written; they differ from the checksums in the "
        "file of the same name with .crc. One of the two was altered: restore it, or make the "
        "table again"
    )


def _gone(found: re.Match[str]) -> str:
    return (
        f"{found[1]}: expected this file of the table; it is gone (vacuumed or deleted). Make the "
        "table again, or name a later version"
    )


def _unreadable(found: re.Match[str]) -> str:
    return (
        f"{found[1]}: expected a file that was written whole; it can't be read. It was cut or "
        "altered: restore it, or make the table again"
    )


def _denied(found: re.Match[str]) -> str:
    return (
        f"{found[1]}: expected to be let in by the S3 server; it denies access. The keys need "
        "s3:ListBucket, s3:GetObject, s3:PutObject and s3:DeleteObject there"
    )


# the first that is found tells; a full disk can show itself as a file that is cut
_WORDS: tuple[tuple[re.Pattern[str], _Say], ...] = (
    (
        re.compile(
            r"OutOfMemoryError|Java heap space|GC overhead limit exceeded|Py4JNetworkError"
            r"|Answer from Java side is empty|Error while sending or receiving"
            r"|Py4JJavaServer|An error occurred while trying to connect to the Java server"
        ),
        _out_of_memory,
    ),
    (re.compile(r"AccessDeniedException: (s3a://[^\s:]+)"), _denied),
    (re.compile(rf"Checksum error: {_FILE}(?:\.crc)? at "), _altered),
    (re.compile(rf"Not a checksum file: {_FILE}(?:\.crc)?(?=[\s\"']|$)"), _altered),
    (re.compile(rf"File {_FILE} does not exist"), _gone),
    (re.compile(rf"error while reading (?:the )?file {_FILE}\.?(?=\s|$)"), _unreadable),
    (
        re.compile(rf"ould not read footer for file: ?(?:FileStatus\{{path=)?{_FILE}[;,\s]"),
        _unreadable,
    ),
)


def plain_words(error: BaseException) -> str | None:
    """Give one line on what went wrong and what to do; None for an error of another kind."""
    chain = _chain(error)
    said = "\n".join(f"{type(one).__name__}: {one}" for one in chain)
    if any(isinstance(one, OSError) and one.errno == errno.ENOSPC for one in chain) or (
        _NO_SPACE.search(said)
    ):
        names = (getattr(one, "filename", None) for one in chain)
        where = next(filter(None, names), None) or "--root or of Spark's scratch files"
        return (
            f"no space left on the disk of {where}; free some or give another --root (scratch: "
            "spark.local.dir); nothing half-written was kept"
        )
    if any(isinstance(one, ConnectionError) for one in chain) and "py4j" in _places(error):
        said += "\nPy4JNetworkError"
    for words, say in _WORDS:
        if found := words.search(said):
            return say(found)
    return None


def _chain(error: BaseException) -> list[BaseException]:
    """The error, and those it came of."""
    found: list[BaseException] = []
    one: BaseException | None = error
    while one is not None and one not in found:
        found.append(one)
        one = one.__cause__ or one.__context__
    return found


def _places(error: BaseException) -> str:
    """Names of the files that the error has come through."""
    trace, names = error.__traceback__, ""
    while trace is not None:
        names += trace.tb_frame.f_code.co_filename
        trace = trace.tb_next
    return names
