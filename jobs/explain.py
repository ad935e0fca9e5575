"""Entry point of the job ``explain``: flags in, one JSON line out."""

from pipelines.cli import run_job
from pipelines.explain import ExplainParams, run

if __name__ == "__main__":
    run_job(run, ExplainParams)
