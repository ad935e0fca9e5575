"""Bring the metadata database up to date and make the pools.

service.py runs it in Airflow's settings. It ends with one line on stderr and code 1 where the
database can't be reached.
"""

import os
import sys

from sqlalchemy import create_engine, make_url
from sqlalchemy.exc import ArgumentError, NoSuchModuleError, SQLAlchemyError

# two Spark jobs or two trainings at once would share one machine's memory
POOLS = {"heavy": (1, "Jobs that fill a machine: Spark steps and training, one at a time")}


def check_database(url: str) -> None:
    """Connect once.

    Raises:
        SystemExit: The address is not one of a database, or no connection can be made.
    """
    try:
        shown = make_url(url).render_as_string(hide_password=True)
        with create_engine(url).connect():
            return
    except (ArgumentError, NoSuchModuleError) as error:
        # the text could hold a password, so it is not shown
        sys.exit(
            "the metadata database's address: expected sqlite:////FILE or "
            f"postgresql+psycopg2://USER@HOST/NAME; got another ({type(error).__name__})"
        )
    except SQLAlchemyError as error:
        reason = " ".join(str(getattr(error, "orig", error)).split())
        sys.exit(f"the metadata database {shown} can't be reached: {reason}")


def main() -> None:
    """Check, migrate, make the pools that are missing."""
    check_database(os.environ["AIRFLOW__DATABASE__SQL_ALCHEMY_CONN"])
    from airflow.cli.cli_parser import get_parser  # noqa: PLC0415  takes seconds
    from airflow.models.pool import Pool  # noqa: PLC0415

    migrate = get_parser().parse_args(["db", "migrate"])
    migrate.func(migrate)
    for name, (slots, description) in POOLS.items():
        if Pool.get_pool(name) is None:  # someone may have given it more slots
            Pool.create_or_update_pool(name, slots, description, include_deferred=True)


if __name__ == "__main__":
    main()
