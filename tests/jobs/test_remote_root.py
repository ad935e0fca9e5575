"""What a run on a root that lies elsewhere needs is said before anything is done."""

import pytest

from jobs.run import parse_arguments, run
from pipelines.errors import ParameterError


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (["--root", "s3a://bucket/lake"], "--registry: expected postgresql://"),
        (["--root", "wasb://store/lake", "--until", "split"], "a local path, s3a://bucket/path or"),
        (["--root", "abfss://box@store/lake"], "a local path, s3a://bucket/path or"),
    ],
)
def test_a_run_that_could_not_end_well_does_not_begin(flags: list[str], said: str) -> None:
    with pytest.raises(ParameterError, match=said):
        run(parse_arguments(["run", "flights", *flags]))
