"""Entry point of the job ``search``: flags in, one JSON line out."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))

from pipelines.cli import keep_private, parse_with, print_result, report_errors
from pipelines.search import SearchParams, run
from pipelines.step import StepResult
from pipelines.train import start_training
from pipelines.training.checkpoint import read_progress
from pipelines.training.home import checkpoints_of
from pipelines.training.parameters import PLACES, TrainParams
from pipelines.training.start import Start
from pipelines.tuning.trials import Report


def train(params: TrainParams, num_processes: int, report: Report) -> StepResult:
    """Train on local ranks until done or until ``report`` says that it is over."""
    folder = checkpoints_of(params)

    def is_over() -> bool:
        progress = read_progress(folder)
        return report(progress.history if progress else [])

    return start_training(params, Start(num_processes, is_over=is_over, is_quiet=True))


if __name__ == "__main__":
    search, base = parse_with(SearchParams, TrainParams, PLACES)
    with keep_private(), report_errors():
        print_result(run(search, base, train))
