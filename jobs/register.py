"""Entry point of the job ``register``: flags in, one JSON line out."""

from pipelines.cli import run_job
from pipelines.register import RegisterParams, run

if __name__ == "__main__":
    run_job(run, RegisterParams)
