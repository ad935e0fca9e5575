from typing import Any

import pytest

from pipelines.cli import make_parser
from pipelines.evaluate import EvaluateParams
from pipelines.explain import ExplainParams
from pipelines.register import RegisterParams
from pipelines.report import ReportParams
from pipelines.score import ScoreParams


@pytest.mark.parametrize(
    "params", [EvaluateParams, ExplainParams, RegisterParams, ScoreParams, ReportParams]
)
def test_each_flag_is_explained(params: type[Any]) -> None:
    shown = make_parser(params).format_help()
    assert "--dataset" in shown
    assert "--root" in shown
