"""Entry point of the job ``ensemble``: flags in, one JSON line out."""

from pipelines.cli import run_job
from pipelines.ensemble import EnsembleParams, run

if __name__ == "__main__":
    run_job(run, EnsembleParams)
