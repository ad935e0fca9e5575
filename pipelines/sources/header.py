"""Hold the header of a text file to the contract, before Spark maps columns by position."""

import csv
from collections.abc import Sequence

from pipelines.errors import ContractError
from schemas.contract import Source

_UTF16 = (b"\xff\xfe", b"\xfe\xff")
_DELIMITERS = (",", ";", "\t", "|")


def check_header(title: str, line: bytes, source: Source) -> None:
    """Compare the first line of a file with the contract's columns: same names, same order.

    Where the contract says that there is no header, the line is a row, and must not be one.

    Args:
        title: Data set, source and file, for errors.
        line: First bytes of the file, up to a line's end at least; a UTF-8 mark is fine.
        source: Contract of the source.

    Raises:
        ContractError: Not UTF-8, no header, or names that are missing, extra, renamed, repeated or
            in another order, all differences named; or a header where there should be none.
    """
    text = _decode(title, line, source)
    came = _split(text, source)
    expected = [column.file_name for column in source.file_columns]
    if not source.has_header:
        _check_row(title, came, expected)
        return
    if came == expected:
        return
    if not set(came) & set(expected):
        raise ContractError(
            f"{title}: expected a header with {expected}; the first line names none of them: "
            f"{text[:120]!r}. {_guess(text, source.delimiter)}"
        )
    raise ContractError(
        f"{title}: the header differs from the contract: {'; '.join(differences(expected, came))}. "
        f"Correct the file, or the columns of source {source.name} in the contract"
    )


def differences(expected: Sequence[str], came: Sequence[str]) -> list[str]:
    """Say how two lists of column names differ, one phrase for each difference.

    >>> differences(["a", "b"], ["a", "B"])
    ["renamed 'b': came as 'B' (column 2)"]
    """
    missing = [name for name in expected if name not in came]
    extra = [name for name in came if name not in expected]
    said: list[str] = []
    for name in list(missing):
        at = expected.index(name)
        if at < len(came) and came[at] in extra:
            said.append(f"renamed {name!r}: came as {came[at]!r} (column {at + 1})")
            missing.remove(name)
            extra.remove(came[at])
    said += [f"missing {name!r}" for name in missing]
    said += [f"extra {name!r} (column {came.index(name) + 1})" for name in extra]
    said += [
        f"{name!r} comes {came.count(name)} times" for name in expected if came.count(name) > 1
    ]
    if not said:
        at = next(i for i, name in enumerate(expected) if came[i] != name)
        said.append(f"another order: column {at + 1} is {came[at]!r}, expected {expected[at]!r}")
    return said


def _check_row(title: str, came: Sequence[str], names: Sequence[str]) -> None:
    if [cell.strip().lower() for cell in came] == [name.lower() for name in names]:
        raise ContractError(
            f"{title}: expected rows without a header, by the contract; the first line is one: "
            f"{list(came)}. Take it out"
        )


def _decode(title: str, line: bytes, source: Source) -> str:
    if line.startswith(_UTF16) or b"\0" in line:
        raise ContractError(
            f"{title}: expected UTF-8 text; got UTF-16, or no text at all. Convert it first, for "
            "example: iconv -f UTF-16 -t UTF-8"
        )
    try:
        return line.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        if source.encoding != "utf-8":
            return line.decode(source.encoding)
        raise ContractError(
            f"{title}: expected UTF-8 text; the header's byte {error.start} is "
            f"0x{line[error.start]:02x}. Convert it first, for example: iconv -f LATIN1 -t UTF-8"
        ) from None


def _split(text: str, source: Source) -> list[str]:
    if len(source.delimiter) > 1 or not source.has_quotes:
        return text.split(source.delimiter)
    return next(csv.reader([text], delimiter=source.delimiter), [])


def _guess(text: str, delimiter: str) -> str:
    others = [mark for mark in _DELIMITERS if mark in text and mark != delimiter]
    if others and delimiter not in text:
        return f"The delimiter may be {others[0]!r}; the contract says {delimiter!r}"
    return "If the file has no header, put one in front"
