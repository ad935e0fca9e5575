"""A registry in a database of its own."""

from collections.abc import Iterator

import pytest

from tests.postgres_server import USER, postgres_server


@pytest.fixture(scope="session")
def postgres() -> Iterator[str]:
    """Start a cluster; gives the address of an empty database."""
    with postgres_server("models") as folder:
        yield f"postgresql://{USER}@/models?host={folder}"
