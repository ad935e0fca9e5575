"""What Airflow's connections give: where Spark is, and who may open the registry.

A password goes into the environment of the one job that needs it, never into a command line.
"""

from urllib.parse import parse_qs, quote, urlsplit

from airflow.sdk import Connection
from airflow.sdk.exceptions import AirflowNotFoundException

from airflow_dags.settings import SettingsError, setting


def require(conn_id: str, named_by: str) -> Connection:
    """Give a connection; raises ``SettingsError`` if there is none of that name."""
    try:
        return Connection.get(conn_id)
    except AirflowNotFoundException as error:
        raise SettingsError(
            f"expected an Airflow connection {conn_id!r}, which {named_by} names; there is none. "
            f"Add it (airflow connections add {conn_id} ..., or AIRFLOW_CONN_{conn_id.upper()} in "
            "the environment), or name another"
        ) from error


def registry() -> tuple[str, dict[str, str]]:
    """Give the registry's address without its password, and the environment that holds that.

    Raises:
        SettingsError: The address holds a password, or the connection is missing.
    """
    if conn_id := setting("registry_conn"):
        found = require(conn_id, "GRISTMILL_REGISTRY_CONN")
        user = f"{quote(found.login, safe='')}@" if found.login else ""
        port = f":{found.port}" if found.port else ""
        address = f"postgresql://{user}{found.host or 'localhost'}{port}/{found.schema or ''}"
        return address, {"PGPASSWORD": found.password} if found.password else {}
    address = setting("registry")
    parts = urlsplit(address)
    if parts.password is not None or "password" in parse_qs(parts.query):
        raise SettingsError(
            "GRISTMILL_REGISTRY: expected an address without a password, which would stand in "
            "every command line; got one with it. Put the password in the connection that "
            "GRISTMILL_REGISTRY_CONN names, or in ~/.pgpass of the worker"
        )
    return address, {}
