"""Entry point of the job ``trace``: what became of one key; flags in, one JSON line out."""

from pipelines.cli import run_job
from pipelines.trace import TraceParams, run

if __name__ == "__main__":
    run_job(run, TraceParams)
