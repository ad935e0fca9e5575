"""The command ``gristmill fetch``: get the published files of a data set; one JSON line out."""

import argparse
from collections.abc import Sequence

from jobs.progress import say
from pipelines.cli import keep_private, print_result, report_errors
from pipelines.fetch import FetchParams, run
from pipelines.sources.locate import DATA_FOLDER

HELP = "get the published files of a data set, checked by size and SHA-256"


def main(arguments: Sequence[str]) -> None:
    """Run the command; exit code 0 only if every file is there as the contract says."""
    params = parse_arguments(arguments)
    with keep_private(), report_errors():
        result = run(params)
        for name in result.fetched:
            say(f"fetched {name}")
        for name in result.there:
            say(f"{name} was there already")
        print_result(result)


def parse_arguments(arguments: Sequence[str]) -> FetchParams:
    """Make ``FetchParams`` of the command line; argparse exits with 2 on an unknown flag."""
    parser = argparse.ArgumentParser(prog="gristmill fetch", description=HELP, allow_abbrev=False)
    parser.add_argument("dataset", help="name of the data set, a module of schemas/")
    parser.add_argument(
        "--from",
        dest="origin",
        default="",
        metavar="DIR|URL",
        help="folder or https:// address that holds the files (default: the contract's origin)",
    )
    parser.add_argument(
        "--to", default=DATA_FOLDER, help=f"folder of all fetched data sets ({DATA_FOLDER})"
    )
    said = parser.parse_args(arguments)
    return FetchParams(said.dataset, said.origin, said.to)
