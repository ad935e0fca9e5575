"""Entry point of the job ``register``: flags in, one JSON line out."""

from pipelines.register import RegisterParams, run
from pipelines.cli import run_job

if __name__ == "__main__":
    run_job(run, RegisterParams)
