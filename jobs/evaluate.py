"""Entry point of the job ``evaluate``: flags in, one JSON line out."""

from pipelines.cli import run_job
from pipelines.evaluate import EvaluateParams, run

if __name__ == "__main__":
    run_job(run, EvaluateParams)
