"""Strict flags from a frozen dataclass: one field, one flag, one line of help.

Each job's parameters are a dataclass whose fields are made by ``param``; ``parse_params`` turns
them into flags, and ``run_job`` is the whole main program: flags in, one JSON line out.
"""

import argparse
import dataclasses
import json
import math
import os
import re
import sys
import traceback
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, field, fields
from typing import Any, NoReturn, TypeVar, cast, get_args, get_origin, get_type_hints

from pipelines.errors import ContractError, GristmillError
from pipelines.failures import plain_words

Params = TypeVar("Params")
EXIT_ERROR = 1
EXIT_USAGE = 2
_WHOLE = re.compile(r"[+-]?\d{1,18}", re.ASCII)
_REQUIRED = dataclasses.MISSING
_OTHERS = 0o077  # what a group and others may do
# Spark puts the value that it failed on between such quotes; what follows is the contract's SQL
_QUOTED = re.compile("'.*'", re.DOTALL)
_SQL_FOLLOWS = "\n== SQL"


def param(description: str, default: Any = _REQUIRED) -> Any:
    """Declare one run parameter: a dataclass field whose help text is ``description``."""
    if default is _REQUIRED:
        return field(metadata={"help": description})
    return field(default=default, metadata={"help": description})


def parse_params(params_type: type[Params], arguments: Sequence[str] | None = None) -> Params:
    """Make ``params_type`` from command-line flags.

    Fields of type ``str``, ``int``, ``float`` take one value, ``bool`` is a switch
    (``--flag`` / ``--no-flag``) and ``tuple[str, ...]`` takes any number of values.

    Raises:
        SystemExit: 2 for an unknown, missing or malformed flag (one line on stderr); 0 for
            ``--help``.
    """
    parser = make_parser(params_type)
    values = vars(parser.parse_args(arguments))
    return params_type(**{name: _frozen(value) for name, value in values.items()})


def parse_with(
    params_type: type[Params], other: type[Any], but: Sequence[str],
    arguments: Sequence[str] | None = None,
) -> tuple[Params, dict[str, Any]]:  # fmt: skip
    """Make ``params_type`` of flags, and give which of the flags of ``other`` were given beside.

    Raises:
        SystemExit: As ``parse_params``.
    """
    parser = make_parser(params_type)
    add_flags(parser, other, but)
    said = parser.parse_args(arguments)
    own = {item.name for item in fields(cast(Any, params_type))}
    values = {name: _frozen(value) for name, value in vars(said).items() if name in own}
    return params_type(**values), given_flags(said, other, but)


def add_flags(parser: argparse.ArgumentParser, params_type: type[Any], but: Sequence[str]) -> None:
    """Add a flag for each field but some, none of them required; see ``given_flags``."""
    hints = get_type_hints(params_type)
    group = parser.add_argument_group(f"parameters of {params_type.__name__}")
    for item in fields(params_type):
        if item.name not in but:
            options = _options(item, hints[item.name])
            options["help"] += f" (default: {options['default']})".replace("%", "%%")
            options["default"] = argparse.SUPPRESS
            group.add_argument(f"--{item.name.replace('_', '-')}", **options)


def given_flags(
    said: argparse.Namespace, params_type: type[Any], but: Sequence[str]
) -> dict[str, Any]:
    """Give what was given of the flags that ``add_flags`` added, by field."""
    names = [item.name for item in fields(params_type) if item.name not in but]
    return {name: _frozen(getattr(said, name)) for name in names if hasattr(said, name)}


def part_of(params: Any, wanted: type[Params]) -> Params:
    """Give the ``wanted`` part of parameters that extend it by fields of their own."""
    return wanted(**{item.name: getattr(params, item.name) for item in fields(cast(Any, wanted))})


def to_flags(params: Any) -> list[str]:
    """Give the flags of which ``parse_params`` makes ``params``."""
    flags: list[str] = []
    for item in fields(params):
        value, name = getattr(params, item.name), item.name.replace("_", "-")
        if isinstance(value, bool):
            flags.append(f"--{'' if value else 'no-'}{name}")
            continue
        values = cast("tuple[Any, ...]", value) if isinstance(value, tuple) else (value,)
        flags += [f"--{name}", *map(str, values)]
    return flags


def make_parser(params_type: type[Any]) -> argparse.ArgumentParser:
    """Give the parser that ``parse_params`` uses, e.g. to print its help."""
    parser = _Parser(
        description=params_type.__doc__,
        allow_abbrev=False,
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    hints = get_type_hints(params_type)
    for item in fields(params_type):
        parser.add_argument(f"--{item.name.replace('_', '-')}", **_options(item, hints[item.name]))
    return parser


def run_job(run: Callable[[Any], Any], params_type: type[Any]) -> None:
    """Run one job: parse flags, run, print its result as one JSON line; exit 1 on a known error.

    ``run`` takes the parameters and returns a dataclass. Whatever else it prints belongs on
    stderr: stdout carries the one line only.
    """
    params = parse_params(params_type)
    with keep_private(), report_errors():
        result = run(params)
        print_result(result)


@contextmanager
def keep_private() -> Generator[None]:
    """Make what this process and its children write readable by its own user only.

    Spark asks for modes of its own, see ``pipelines.spark.session``.
    """
    before = os.umask(_OTHERS)
    try:
        yield
    finally:
        os.umask(before)


class report_errors:  # noqa: N801  a context manager reads as a verb here
    """Turn an error that a user can act on into one line on stderr and exit code 1."""

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, GristmillError | ContractError):
            print(f"error: {error}", file=sys.stderr, flush=True)
            raise SystemExit(EXIT_ERROR) from None
        said = plain_words(error) if isinstance(error, Exception) else None
        if said:
            print(f"error: {said}", file=sys.stderr, flush=True)
            raise SystemExit(EXIT_ERROR) from None
        if error is not None and type(error).__module__.startswith(("pyspark", "py4j")):
            frames = "".join(traceback.format_tb(error.__traceback__))
            print(f"{frames}error: Spark: {without_values(error)}", file=sys.stderr, flush=True)
            raise SystemExit(EXIT_ERROR) from None


def without_values(error: BaseException) -> str:
    """Give the message of an error of Spark's without the values of rows that it quotes.

    >>> without_values(ValueError("The value 'O'Hara' of the type STRING cannot be cast"))
    "The value '***' of the type STRING cannot be cast"
    """
    said, mark, sql = str(error).partition(_SQL_FOLLOWS)
    return _QUOTED.sub("'***'", said) + mark + sql.partition("JVM stacktrace")[0]


def print_result(result: Any) -> None:
    """Print a dataclass as the job's one JSON line on stdout, but for fields that say otherwise."""
    hidden = {item.name for item in dataclasses.fields(result) if item.metadata.get("hidden")}
    shown = {name: value for name, value in asdict(result).items() if name not in hidden}
    print(json.dumps(shown, default=str), flush=True)


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        # what came may hold line ends
        said = " ".join(message.split())
        self.exit(EXIT_USAGE, f"error: {said}. {self.prog} --help explains each flag\n")


def _whole(text: str) -> int:
    if not _WHOLE.fullmatch(text):
        raise ValueError
    return int(text)


def _finite(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise ValueError
    return value


# Python reads 1_000, digits of any script, nan and inf too: none is meant
_READERS: dict[Any, tuple[Callable[[str], Any], str]] = {
    int: (_whole, "whole number"),
    float: (_finite, "number"),
}


def _reader(kind: Any) -> Callable[[str], Any]:
    if kind not in _READERS:
        return kind
    read, name = _READERS[kind]

    def typed(text: str) -> Any:
        return read(text)

    # argparse names it when it refuses a value
    typed.__name__ = name
    return typed


def _options(item: dataclasses.Field[Any], hint: Any) -> dict[str, Any]:
    # argparse expands a percent sign
    options: dict[str, Any] = {"help": item.metadata.get("help", " ").replace("%", "%%")}
    if item.default is _REQUIRED:
        options["required"] = True
    else:
        options["default"] = item.default
    if hint is bool:
        return options | {"action": argparse.BooleanOptionalAction}
    if get_origin(hint) is tuple:
        return options | {"nargs": "*", "type": _reader(get_args(hint)[0]), "metavar": "VALUE"}
    return options | {"type": _reader(hint), "metavar": hint.__name__.upper()}


def _frozen(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value
