"""The environment that Airflow's components run in, and the secrets that it keeps in files."""

import base64
import json
import os
import secrets
import socket
import sys
from dataclasses import asdict, dataclass
from pathlib import Path
from urllib.parse import urlsplit

ROOT = Path(__file__).parents[2]
HOST = "127.0.0.1"
USER = "admin"
# carried by all that a start has started, so that a stop finds what is left
MARK = "GRISTMILL_AIRFLOW_SERVICE"
_CONNECTION = "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN"
# beyond the ports that the system lends to outgoing connections
_PORTS = range(20_000, 30_000)
_TRIES = 200
_CONFIG = """\
# Made at the first start; secrets of this Airflow alone. Settings can be added here, and
# AIRFLOW__SECTION__KEY in the environment wins over them.
[core]
fernet_key = {fernet_key}

[api]
secret_key = {secret_key}

[api_auth]
jwt_secret = {jwt_secret}
"""


@dataclass(frozen=True, slots=True)
class Settings:
    """What one Airflow is told.

    Attributes:
        home: Its folder: secrets, logs, the try-out database.
        port: Of the API server and the pages, on loopback.
        dags: Folder of the DAGs.
        database: Address without a password; empty for the environment's, else SQLite.
    """

    home: Path
    port: int
    dags: Path
    database: str = ""

    @property
    def url(self) -> str:
        """Give the address of the pages and of the REST API."""
        return f"http://{HOST}:{self.port}"

    @property
    def passwords(self) -> Path:
        """Give the file of users and passwords."""
        return self.home / "passwords.json"


def environment(settings: Settings) -> dict[str, str]:
    """Give the environment of the components, and so of the tasks.

    What says where (ports, folders, database) is ours; every other setting can be overridden by
    an ``AIRFLOW__SECTION__KEY`` that is in the environment already. Connections, AWS's and
    PostgreSQL's variables pass through: jobs find their credentials where they always do.
    """
    defaults = {
        "AIRFLOW_CONN_SPARK_DEFAULT": json.dumps({"conn_type": "spark", "host": "local[2,4]"}),
        "AIRFLOW__API__WORKERS": "1",
        "AIRFLOW__CORE__EXECUTOR": "LocalExecutor",
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__CORE__PARALLELISM": "4",
        "AIRFLOW__CORE__PLUGINS_FOLDER": str(settings.dags / "plugins"),
        "AIRFLOW__DAG_PROCESSOR__REFRESH_INTERVAL": "30",
        "AIRFLOW__USAGE_DATA_COLLECTION__ENABLED": "False",
        _CONNECTION: f"sqlite:///{settings.home / 'airflow.db'}",
    }
    ours = {
        "AIRFLOW_HOME": str(settings.home),
        "AIRFLOW__API__BASE_URL": settings.url,
        "AIRFLOW__API__HOST": HOST,
        "AIRFLOW__API__PORT": str(settings.port),
        "AIRFLOW__CORE__DAGS_FOLDER": str(settings.dags),
        "AIRFLOW__CORE__EXECUTION_API_SERVER_URL": f"{settings.url}/execution/",
        "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE": str(settings.passwords),
        "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_USERS": f"{USER}:admin",
    }
    if settings.database:
        ours[_CONNECTION] = settings.database
    # BashOperator's bash reads ~/.bashrc where its input is a socket and this is unset
    return {**defaults, "SHLVL": "1", **os.environ, **ours}


def write_secrets(settings: Settings) -> None:
    """Make keys and the user's password where there are none; only their user reads them.

    Airflow would make the password itself, and print it into the API server's log.
    """
    settings.home.mkdir(parents=True, exist_ok=True, mode=0o700)
    fernet_key = base64.urlsafe_b64encode(secrets.token_bytes(32)).decode()
    config = _CONFIG.format(
        fernet_key=fernet_key,
        secret_key=secrets.token_urlsafe(48),
        jwt_secret=secrets.token_urlsafe(64),
    )
    _write_once(settings.home / "airflow.cfg", config)
    _write_once(settings.passwords, json.dumps({USER: secrets.token_urlsafe(12)}) + "\n")


def _write_once(path: Path, text: str) -> None:
    if path.exists():
        return
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    draft.touch(mode=0o600)
    draft.write_text(text)
    draft.rename(path)


def require_no_password(database: str) -> None:
    """Refuse a password in a flag: every user of this machine sees command lines.

    Raises:
        SystemExit: The address holds one, or is none of a database that is supported.
    """
    parts = urlsplit(database)
    if parts.password is not None or "password=" in parts.query:
        sys.exit(
            "airflow: --database: expected an address without a password, since every user of "
            "this machine sees command lines; put the password into ~/.pgpass or PGPASSWORD, or "
            f"the whole address into {_CONNECTION}"
        )
    if parts.scheme.partition("+")[0] not in ("sqlite", "postgresql"):
        sys.exit(
            "airflow: --database: expected postgresql+psycopg2://USER@HOST/NAME or "
            f"sqlite:////FILE; got {database!r}"
        )


def is_free(port: int) -> bool:
    """Say whether a server could listen at ``port`` of loopback now."""
    with socket.socket() as tried:
        tried.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            tried.bind((HOST, port))
        except OSError:
            return False
    return True


def free_port() -> int:
    """Draw a port at which nobody listens, out of those that no outgoing connection takes."""
    for _ in range(_TRIES):
        port = secrets.choice(_PORTS)
        if is_free(port):
            return port
    sys.exit(f"airflow: --port 0: none of {_TRIES} ports tried between {_PORTS} is free")


def write_settings(settings: Settings) -> None:
    """Keep what a start was told, for status, stop and cli; it holds no secret."""
    told = {**asdict(settings), "home": str(settings.home), "dags": str(settings.dags)}
    path = settings.home / "settings.json"
    draft = path.with_suffix(".draft")
    draft.write_text(json.dumps(told) + "\n")
    draft.rename(path)


def read_settings(home: Path) -> Settings:
    """Give what the last start was told.

    Raises:
        SystemExit: Nothing was ever started there.
    """
    path = home / "settings.json"
    if not path.exists():
        sys.exit(f"airflow: nothing was started in {home} yet; infra/bin/airflow start does it")
    told = json.loads(path.read_text())
    return Settings(home, told["port"], Path(told["dags"]), told["database"])
