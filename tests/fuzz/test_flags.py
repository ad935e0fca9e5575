"""Flags of every job: any list of arguments is parsed, or is one line and exit code 2."""

import contextlib
import io
from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines.cli import param, parse_params, to_flags
from pipelines.deduplicate import DeduplicateParams
from pipelines.ingest import IngestParams
from pipelines.replay import ReplayParams
from pipelines.trace import TraceParams
from pipelines.train import TrainParams


@dataclass(frozen=True, slots=True)
class _Params:
    """One flag of each kind."""

    text: str = param("a text")
    number: int = param("a number", 1)
    share: float = param("a share", 0.5)
    texts: tuple[str, ...] = param("texts", ())
    is_on: bool = param("a switch", False)


_TYPES = (_Params, IngestParams, DeduplicateParams, TraceParams, ReplayParams, TrainParams)
_NAMES = sorted({f"--{n.replace('_', '-')}" for kind in _TYPES for n in kind.__slots__})
_VALUES = ("1", "-1", "1_000", "\u0661", "nan", "1e999", "0x1", "", "-", "--", "a=b", "%s", "\n")
_words = st.one_of(
    st.sampled_from(_NAMES),
    st.sampled_from(_NAMES).map(lambda name: f"{name}=1"),
    st.sampled_from([*_VALUES, "--no-is-on", "-h", "--tex", "9" * 5000]),
    st.text(max_size=6),
)


def _parse(kind: type[Any], said: list[str]) -> tuple[Any, int, str]:
    error = io.StringIO()
    with contextlib.redirect_stderr(error), contextlib.redirect_stdout(io.StringIO()):
        try:
            return parse_params(kind, said), 0, error.getvalue()
        except SystemExit as stopped:
            return None, int(str(stopped.code)), error.getvalue()


def _check(kind: type[Any], said: list[str]) -> None:
    params, code, error = _parse(kind, said)
    if params is not None:
        assert (error, _parse(kind, to_flags(params))) == ("", (params, 0, ""))
    elif code:
        assert code == 2
        assert error.startswith("error: ")
        assert error.count("\n") == 1


_cases = st.tuples(st.sampled_from(_TYPES), st.lists(_words, max_size=6))


@settings(max_examples=300, derandomize=True, database=None, deadline=None)
@given(_cases)
def test_any_arguments_are_parsed_or_refused_in_one_line(case: tuple[type[Any], list[str]]) -> None:
    _check(*case)


@pytest.mark.slow
@settings(max_examples=20_000, derandomize=True, database=None, deadline=None)
@given(_cases)
def test_many_arguments_are_parsed_or_refused_in_one_line(
    case: tuple[type[Any], list[str]],
) -> None:
    _check(*case)


@pytest.mark.parametrize("text", ["1_000", "\u0661", "nan", "9" * 5000, " 1", "0x1", "1.0", ""])
def test_a_number_is_written_in_plain_digits(text: str) -> None:
    _, code, error = _parse(_Params, ["--text", "a", "--number", text])
    assert code == 2
    assert "argument --number: invalid whole number value" in error


def test_a_line_end_in_a_flag_makes_no_second_line() -> None:
    _, code, error = _parse(_Params, ["--text", "a", "--col\nour"])
    assert (code, error.count("\n")) == (2, 1)
    assert error.startswith("error: unrecognized arguments: --col our. ")


@pytest.mark.parametrize("text", ["nan", "inf", "-Infinity", "1e999", "x", ""])
def test_a_share_is_finite(text: str) -> None:
    _, code, error = _parse(_Params, ["--text", "a", f"--share={text}"])
    assert code == 2
    assert "argument --share: invalid number value" in error
