"""Flags come from a dataclass, strictly; errors are one line and a non-zero exit."""

import errno
from dataclasses import dataclass

import pytest
from pyspark.errors import PySparkException

from pipelines.cli import make_parser, param, parse_params, report_errors
from pipelines.errors import TableError


@dataclass(frozen=True, slots=True)
class BakeParams:
    """Bake bread."""

    flour: str = param("kind of flour, 100 % of it")
    grams: int = param("weight", 500)
    seeds: tuple[str, ...] = param("what goes on top", ())
    is_sour: bool = param("with sour dough", False)


def test_fields_become_flags_with_types_and_defaults() -> None:
    said = ["--flour", "rye", "--seeds", "poppy", "flax", "--is-sour"]
    assert parse_params(BakeParams, said) == BakeParams("rye", 500, ("poppy", "flax"), True)


@pytest.mark.parametrize(
    "said", [["--flour", "rye", "--colour", "red"], [], ["--flour", "rye", "--grams", "many"],
             ["--flo", "rye"]]
)  # fmt: skip
def test_an_unknown_missing_malformed_or_shortened_flag_is_refused(
    said: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as stopped:
        parse_params(BakeParams, said)
    assert stopped.value.code == 2
    assert "error:" in capsys.readouterr().err


def test_help_explains_each_flag() -> None:
    said = make_parser(BakeParams).format_help()
    assert "Bake bread." in said
    assert "kind of flour, 100 % of it" in said
    assert "default: 500" in said


def test_a_known_error_is_one_line_and_exit_code_1(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped, report_errors():
        raise TableError("no table")
    assert stopped.value.code == 1
    assert capsys.readouterr().err == "error: no table\n"


def test_a_full_disk_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped, report_errors():
        raise OSError(errno.ENOSPC, "No space left on device", "/data/x")
    assert stopped.value.code == 1
    assert "no space left on the disk of /data/x" in capsys.readouterr().err


def test_a_full_disk_is_named_when_spark_met_it(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped, report_errors():
        raise PySparkException("Job aborted. java.io.IOException: No space left on device")
    assert stopped.value.code == 1
    assert "no space left on the disk of --root or of Spark's scratch" in capsys.readouterr().err


def test_an_unknown_error_keeps_its_traceback() -> None:
    with pytest.raises(ZeroDivisionError), report_errors():
        raise ZeroDivisionError
