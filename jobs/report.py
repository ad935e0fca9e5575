"""Entry point of the job ``report``: flags in, one JSON line out."""

from pipelines.cli import run_job
from pipelines.report import ReportParams, run

if __name__ == "__main__":
    run_job(run, ReportParams)
