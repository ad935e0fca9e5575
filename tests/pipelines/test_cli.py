"""Flags come from a dataclass, strictly; errors are one line and a non-zero exit."""

import errno
from dataclasses import dataclass
from pathlib import Path

import pytest
from pyspark.errors import PySparkException

from pipelines.cli import (
    keep_private,
    make_parser,
    param,
    parse_params,
    report_errors,
    without_values,
)
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


@pytest.mark.proves("S15")
def test_what_a_job_writes_is_its_owners(tmp_path: Path) -> None:
    with keep_private():
        (tmp_path / "inside").mkdir()
        (tmp_path / "inside" / "file").touch()
    (tmp_path / "after").touch()
    modes = {path.name: path.stat().st_mode & 0o777 for path in tmp_path.rglob("*")}
    assert (modes["inside"], modes["file"]) == (0o700, 0o600)
    assert modes["after"] & 0o044  # the test's own umask is back


@pytest.mark.proves("S22")
def test_a_value_that_spark_quotes_is_not_repeated(capsys: pytest.CaptureFixture[str]) -> None:
    said = (
        "[CAST] The value 'o'hara@example.org\n'' of the type STRING cannot be cast\n== SQL ==\n"
        "cast(email as int) + 'text of the contract'\n\nJVM stacktrace:\nThe value 'o'hara'"
    )
    assert without_values(ValueError(said)) == (
        "[CAST] The value '***' of the type STRING cannot be cast\n== SQL ==\n"
        "cast(email as int) + 'text of the contract'\n\n"
    )
    with pytest.raises(SystemExit), report_errors():
        raise PySparkException(said)
    shown = capsys.readouterr().err
    assert "error: Spark: [CAST] The value '***'" in shown
    assert "hara" not in shown.partition("error: ")[2]
