"""Entry point of the job ``purge``: old rows leave the quarantine; flags in, one JSON line out."""

from pipelines.cli import run_job
from pipelines.purge import PurgeParams, run

if __name__ == "__main__":
    run_job(run, PurgeParams)
