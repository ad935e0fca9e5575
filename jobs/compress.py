"""Entry point of the job ``compress``: flags in, one JSON line out."""

from pipelines.cli import run_job
from pipelines.compress import CompressParams, run

if __name__ == "__main__":
    run_job(run, CompressParams)
