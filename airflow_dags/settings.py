"""Where things are on this installation: one table of settings, each with one name.

A setting is the environment's variable ``GRISTMILL_<NAME>``, else Airflow's variable
``gristmill_<name>``, else its default. Airflow's variables are asked for while a task runs only:
parsing must not ask the database. Secrets are no settings: they are in Airflow's connections or in
the environment of the worker.
"""

import os
import shlex
from dataclasses import dataclass
from pathlib import Path

from airflow.sdk import Variable
from airflow.sdk.exceptions import AirflowFailException

_DEFAULTS = {
    "lake": "build/lake",
    "registry": "",
    "registry_conn": "",
    "spark_conn": "spark_default",
    "deploy_mode": "client",
    "driver_memory": "",
    "executor_memory": "",
    "executor_cores": "",
    "num_executors": "",
    "packages": "",
    "spark_conf": "",
    "submit_options": "",
    "notices": "build/airflow/notices.jsonl",
    "notices_conn": "",
    "notices_email": "",
}
_NEEDED = ("infra/airflow/job", "build/venv/bin/python", "jobs")
# what decides the form of a DAG: of the environment only
_NUMBERS = {"np": 2, "max_np": 8, "retries": 2, "retry_delay_s": 60}
_DEADLINE_HOURS = "6"


class SettingsError(AirflowFailException):
    """The installation lacks something; to try again is no use."""


@dataclass(frozen=True, slots=True)
class SparkSettings:
    """Where Spark runs, and with what; empty leaves it to spark-defaults.conf."""

    conn: str
    deploy_mode: str
    driver_memory: str
    executor_memory: str
    executor_cores: str
    num_executors: str
    packages: str
    conf: dict[str, str]
    submit_options: tuple[str, ...]


def project() -> Path:
    """Give the project's folder: the one that these files are in, or another that is named."""
    return Path(os.environ.get("GRISTMILL_PROJECT") or Path(__file__).parent.parent).absolute()


def number(name: str) -> int:
    """Give a number that decides the form of a DAG.

    Raises:
        ValueError: It is no whole number of 0 or more; shown as the import error of the DAGs.
    """
    text = os.environ.get(f"GRISTMILL_{name.upper()}", str(_NUMBERS[name]))
    if not text.isdecimal():
        raise ValueError(f"GRISTMILL_{name.upper()}: expected a whole number; got {text!r}")
    return int(text)


def deadline_hours() -> float:
    """Give after how many hours a run is late; 0: never.

    Raises:
        ValueError: It is no number of 0 or more; shown as the import error of the DAGs.
    """
    text = os.environ.get("GRISTMILL_DEADLINE_HOURS", _DEADLINE_HOURS)
    if not text.replace(".", "", 1).isdecimal():
        raise ValueError(f"GRISTMILL_DEADLINE_HOURS: expected hours, such as 1.5; got {text!r}")
    return float(text)


def rendering() -> Path:
    """Give the place of the rendered DAGs."""
    return _place(os.environ.get("GRISTMILL_DAGS") or "build/airflow/dags.json")


def setting(name: str) -> str:
    """Give a setting while a task runs."""
    said = os.environ.get(f"GRISTMILL_{name.upper()}")
    if said is not None:
        return said
    found = Variable.get(f"gristmill_{name}", default=None)
    return _DEFAULTS.get(name, "") if found is None else str(found)


def place(name: str) -> str:
    """Give a setting that is a path: relative ones are under the project, URLs stay."""
    said = setting(name)
    return said if "://" in said else str(_place(said))


def sources(dataset: str) -> list[str]:
    """Give other places of the data set's sources, NAME=PATH each."""
    return shlex.split(setting(f"sources_{dataset}"))


def spark() -> SparkSettings:
    """Give where Spark runs; raises ``SettingsError`` for what can't be meant."""
    mode = setting("deploy_mode")
    if mode != "client":
        raise SettingsError(
            f"GRISTMILL_DEPLOY_MODE: expected client; got {mode!r}. A job's result is the last "
            "line of its driver, and only client mode brings that back to spark-submit"
        )
    pairs = [text.partition("=") for text in shlex.split(setting("spark_conf"))]
    if wrong := [key for key, sign, _ in pairs if not sign or not key.startswith("spark.")]:
        raise SettingsError(f"GRISTMILL_SPARK_CONF: expected spark.NAME=VALUE; got {wrong}")
    names = ("driver_memory", "executor_memory", "executor_cores", "num_executors", "packages")
    said = {name: setting(name) for name in names}
    options = tuple(shlex.split(setting("submit_options")))
    conf = {key: value for key, _, value in pairs}
    return SparkSettings(setting("spark_conn"), mode, **said, conf=conf, submit_options=options)


def require_project() -> Path:
    """Give the project's folder.

    Raises:
        SettingsError: It is not there, or nobody has set its environment up.
    """
    folder = project()
    missing = [name for name in _NEEDED if not (folder / name).exists()]
    if missing:
        raise SettingsError(
            f"{folder}: expected Gristmill and its environment; {missing} are missing. Run "
            "infra/bin/setup there, or name another folder in GRISTMILL_PROJECT"
        )
    return folder


def _place(text: str) -> Path:
    return project() / text
