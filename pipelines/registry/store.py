"""Experiments, model versions and the champion's alias, on MLflow's own database.

The client talks to SQLite or PostgreSQL directly: no server has to run. Each change that others can
see is one transaction of the database: a run becomes FINISHED, a version appears, the alias moves.
A process killed between them leaves the former champion or the new one, and the next call goes on
from what is there.
"""

import os
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipelines.errors import ParameterError
from pipelines.lock import WAIT_S, hold_lock
from pipelines.registry.address import check_address
from pipelines.registry.postgresql import connect_postgresql, lock_database
from pipelines.storage.copies import put_folder
from pipelines.storage.place import RemotePath, place

CHAMPION = "champion"
TRAINING = "gristmill.training"
PACKAGE = "package"
SQLITE = "mlflow.db"
_FINISHED = "FINISHED"


@dataclass(frozen=True, slots=True)
class Registry:
    """An open registry: MLflow's client and the folder that gets the artifacts."""

    client: Any
    artifacts: Path


@dataclass(frozen=True, slots=True)
class Version:
    """One registered version: ``folder`` holds its package, ``tags`` what the rule compares."""

    name: str
    number: int
    folder: Path
    tags: dict[str, str]


@dataclass(frozen=True, slots=True)
class Logged:
    """What the database keeps of one training, for MLflow's own pages."""

    params: dict[str, Any]
    metrics: dict[str, float]
    tags: dict[str, str]


def open_registry(uri: str, folder: Path) -> Registry:
    """Open the registry, and make its tables on first use.

    Args:
        uri: ``postgresql://user@host/name`` on this machine; empty for SQLite in ``folder``.
            A password belongs in libpq's own places (``~/.pgpass``), and is refused here.
        folder: Gets the artifacts, and the SQLite file.

    Raises:
        ParameterError: The address is of another kind or another machine, or does not answer.
    """
    check_address(uri)
    if isinstance(folder, RemotePath) and not uri:
        raise ParameterError(
            f"--registry: expected postgresql://USER@HOST/NAME with a root like {folder.parent}; "
            "got none, and SQLite needs a local disk"
        )
    folder.mkdir(parents=True, exist_ok=True)
    # read by MLflow: nothing about a run leaves this machine, whatever the environment says
    os.environ["MLFLOW_DISABLE_TELEMETRY"] = "true"
    os.environ["DO_NOT_TRACK"] = "true"
    client = _open_postgresql(uri) if uri else _open_sqlite(folder / SQLITE)
    return Registry(client, folder / "artifacts")


@contextmanager
def lock_registry(uri: str, folder: Path, wait_s: float = WAIT_S) -> Generator[None]:
    """Wait for and hold the one writer's lock; it is free when its process dies.

    It is a file under ``folder``, or, where that is no local disk, a lock of the database ``uri``.

    Raises:
        LockedError: Another process still holds it after ``wait_s`` seconds.
    """
    is_remote = isinstance(folder, RemotePath)
    held = (
        lock_database(uri, str(folder), wait_s)
        if is_remote
        else hold_lock(folder / ".lock", f"the registry {folder}", wait_s)
    )
    with held:
        yield


def list_versions(registry: Registry, name: str) -> tuple[Version, ...]:
    """Give all registered versions of ``name``, oldest first."""
    found: list[Version] = []
    token = None
    while True:
        page = registry.client.search_model_versions(f"name='{name}'", page_token=token)
        found += map(_version, page)
        token = page.token
        if not token:
            return tuple(sorted(found, key=lambda version: version.number))


def find_version(registry: Registry, name: str, training: str) -> Version | None:
    """Give the version that was registered for ``training``, if any."""
    found = registry.client.search_model_versions(f"name='{name}'")
    same = [item for item in found if item.tags.get(TRAINING) == training]
    return _version(min(same, key=lambda item: int(item.version))) if same else None


def add_version(
    registry: Registry, name: str, training: str, package: Path, logged: Logged
) -> Version:
    """Register ``package`` as a version of ``name``, once per ``training``.

    Unfinished runs of the same training, left by a killed process, are taken away first.
    """
    known = find_version(registry, name, training)
    if known:
        return known
    client = registry.client
    run = _finished_run(registry, name, training) or _log_run(
        registry, name, training, package, logged
    )
    _ensure_model(client, name)
    tags = {**logged.tags, TRAINING: training}
    source = f"{run.info.artifact_uri}/{PACKAGE}"
    made = client.create_model_version(name, source, run_id=run.info.run_id, tags=tags)
    return _version(made)


def find_champion(registry: Registry, name: str) -> Version | None:
    """Give the version that holds the alias ``champion``, if any."""
    from mlflow.exceptions import MlflowException  # noqa: PLC0415

    try:
        return _version(registry.client.get_model_version_by_alias(name, CHAMPION))
    except MlflowException as error:
        if error.error_code in ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE"):
            return None
        raise


def crown(registry: Registry, version: Version) -> None:
    """Move the alias ``champion`` to ``version``, in one transaction."""
    registry.client.set_registered_model_alias(version.name, CHAMPION, str(version.number))


def resolve(registry: Registry, name: str, wanted: str) -> Version:
    """Give the version that ``wanted`` names: ``champion`` or a number.

    Raises:
        ParameterError: There is no such version; says which there are.
    """
    found = registry.client.search_model_versions(f"name='{name}'")
    known = sorted(int(item.version) for item in found)
    if wanted == CHAMPION:
        champion = find_champion(registry, name)
        if champion:
            return champion
    for item in found:
        if wanted.isdecimal() and int(item.version) == int(wanted):
            return _version(item)
    raise ParameterError(
        f"--model: expected {CHAMPION} or a version of {name}; got {wanted!r}. "
        f"Registered versions: {known or 'none; run register first'}"
    )


def _log_run(registry: Registry, name: str, training: str, package: Path, logged: Logged) -> Any:
    from mlflow.entities import Metric, Param, RunTag  # noqa: PLC0415

    client, experiment = registry.client, _experiment(registry, name)
    run = client.create_run(experiment, tags={TRAINING: training}, run_name=f"{name}-{training}")
    run_id = run.info.run_id
    client.log_batch(
        run_id,
        metrics=[Metric(key, value, 0, 0) for key, value in logged.metrics.items()],
        params=[Param(key, str(value)[:6000]) for key, value in logged.params.items()],
        tags=[RunTag(key, value) for key, value in logged.tags.items()],
    )
    target = place(f"{run.info.artifact_uri}/{PACKAGE}")
    if isinstance(target, RemotePath):
        # MLflow's own ways there want other clients than those that the tables use
        put_folder(package, target)
    else:
        client.log_artifacts(run_id, str(package), PACKAGE)
    client.set_terminated(run_id, _FINISHED)
    return client.get_run(run_id)


def _finished_run(registry: Registry, name: str, training: str) -> Any:
    wanted = f"tags.`{TRAINING}` = '{training}'"
    found = registry.client.search_runs([_experiment(registry, name)], wanted)
    for run in found:
        if run.info.status == _FINISHED:
            return run
        registry.client.delete_run(run.info.run_id)
    return None


def _experiment(registry: Registry, name: str) -> str:
    known = registry.client.get_experiment_by_name(name)
    if known:
        return known.experiment_id
    return registry.client.create_experiment(name, str(registry.artifacts / name))


def _ensure_model(client: Any, name: str) -> None:
    if not client.search_registered_models(f"name='{name}'"):
        client.create_registered_model(name)


def _version(item: Any) -> Version:
    return Version(item.name, int(item.version), place(item.source), dict(item.tags))


def _open_sqlite(path: Path) -> Any:
    if not path.exists():
        # MLflow makes its tables in many transactions; killed among them, it can't go on
        scratch = path.with_name(f".{path.name}.{os.getpid()}")
        scratch.unlink(missing_ok=True)
        _connect(f"sqlite:///{scratch}")
        scratch.replace(path)
    return _connect(f"sqlite:///{path}")


def _open_postgresql(uri: str) -> Any:
    # MLflow would try a dead server again and again for minutes
    connect_postgresql(uri).close()
    # SQLAlchemy 2.1 takes psycopg 3 unless told otherwise
    return _connect(f"postgresql+psycopg2://{uri.partition('://')[2]}")


def _connect(uri: str) -> Any:
    from mlflow import MlflowClient  # noqa: PLC0415

    client = MlflowClient(tracking_uri=uri, registry_uri=uri)
    client.search_registered_models(max_results=1)
    client.search_experiments(max_results=1)
    return client
