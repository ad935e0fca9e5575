"""A PostgreSQL that keeps models: reached at once or named in one line, and its writers' lock."""

from collections.abc import Generator
from contextlib import closing, contextmanager
from typing import Any

from pipelines.errors import LockedError, ParameterError
from pipelines.registry.address import check_address

_TIMEOUT_S = 10


def connect_postgresql(uri: str) -> Any:
    """Open a connection to the database that an address names, whichever driver it asks for.

    Raises:
        ParameterError: It is no address of this machine, or nobody answers there.
    """
    import psycopg2  # noqa: PLC0415  not needed with SQLite

    check_address(uri)
    _, _, address = uri.partition("://")
    try:
        return psycopg2.connect(f"postgresql://{address}", connect_timeout=_TIMEOUT_S)
    except psycopg2.Error as error:
        first = str(error).splitlines()[0]
        raise ParameterError(
            f"--registry: expected a PostgreSQL that answers; got: {first}. Start it and create "
            "the database, or leave the flag out for SQLite"
        ) from error


@contextmanager
def lock_database(uri: str, name: str, wait_s: float) -> Generator[None]:
    """Wait for and hold the lock of this ``name`` in a database; it is free when its process dies.

    PostgreSQL's manual, "Advisory Locks". Without an address nothing is locked.

    Raises:
        LockedError: Another process still holds it after ``wait_s`` seconds.
    """
    if not uri:
        yield  # open_registry says what is missing
        return
    import psycopg2.errors  # noqa: PLC0415  not needed with SQLite

    with closing(connect_postgresql(uri)) as connection, connection.cursor() as cursor:
        cursor.execute("SET lock_timeout = %s", (f"{wait_s * 1000:.0f}ms",))
        try:
            cursor.execute("SELECT pg_advisory_lock(hashtextextended(%s, 0))", (name,))
        except psycopg2.errors.LockNotAvailable as error:
            raise LockedError(
                f"the registry {name} is being written by another process, which has held its "
                f"lock in the database for the {wait_s:g} s that this one waited. Wait until it "
                "ends, or end it, then run the same command again: a finished step is not repeated"
            ) from error
        yield
