"""Entry point of the job ``evaluate``: flags in, one JSON line out."""

from pipelines.evaluate import EvaluateParams, run
from pipelines.cli import run_job

if __name__ == "__main__":
    run_job(run, EvaluateParams)
