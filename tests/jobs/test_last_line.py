"""The JSON line of a job is the last that it prints, also where stderr is joined to stdout."""

import json
import subprocess
import sys
from pathlib import Path

_PROJECT = Path(__file__).parents[2]
_WARNED = """
import runpy
from pipelines import report_quality
from pipelines.spark import session
from pipelines.step import StepResult

said = {"warnings": {"fare": "0.2 % of rows with new categories"}, "errors": {}}
session.spark_session = lambda *_: None
report_quality.run = lambda *_: StepResult("report_quality", "flights", "0", details=said)
runpy.run_path("jobs/report_quality.py", run_name="__main__")
"""


def test_warnings_of_drift_come_before_the_line_of_the_job() -> None:
    flags = [
        "--root",
        "lake",
        "--dataset",
        "flights",
        "--inputs",
        "lake/flights/features/flights@v0",
    ]
    done = subprocess.run(
        [sys.executable, "-c", _WARNED, *flags],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=True,
        cwd=_PROJECT,
        timeout=300,
    )
    warning, line = done.stdout.splitlines()[-2:]
    assert warning == "warning: flights: drift of fare: 0.2 % of rows with new categories"
    assert json.loads(line)["step"] == "report_quality"
