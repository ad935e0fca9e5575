"""Where a registry may be, and what its address must not hold."""

import pytest

from pipelines.errors import ParameterError
from pipelines.registry.address import check_address

GOOD = [
    "",
    "postgresql://ada@localhost/models",
    "postgresql+psycopg2://ada@127.0.0.1:5433/models",
    "postgresql://ada@/models?host=/run/postgresql",
]


@pytest.mark.parametrize("uri", GOOD)
def test_a_database_of_this_machine_is_taken(uri: str) -> None:
    check_address(uri)


@pytest.mark.proves("S9")
@pytest.mark.parametrize(
    "uri",
    [
        "postgresql://ada:{}@localhost/models",
        "postgresql://:{}@/models",
        "postgresql://ada@localhost/models?password={}",
        "postgresql://ada@localhost/models?sslpassword={}",
        "mysql://ada:{}@db.example.org/models",
    ],
)
def test_a_password_is_refused_and_not_repeated(uri: str) -> None:
    with pytest.raises(ParameterError, match=r"~/\.pgpass") as caught:
        check_address(uri.format("open-sesame"))
    assert "sesame" not in str(caught.value)


@pytest.mark.parametrize(
    "uri",
    [
        "postgresql://ada@localhost/models?host=10.0.0.1",
        "postgresql://ada@localhost/models?hostaddr=10.0.0.1",
        "postgresql://ada@/models?host=localhost&host=db.example.org",
        "postgresql://ada@localhost,db.example.org/models",
        "postgresql:///models?service=elsewhere",
    ],
)
def test_another_machine_is_refused_however_it_is_named(uri: str) -> None:
    with pytest.raises(ParameterError, match="expected postgresql://USER@HOST/NAME"):
        check_address(uri)
