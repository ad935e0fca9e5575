"""One suite for both databases: what holds on SQLite holds on PostgreSQL."""

from pathlib import Path
from typing import Any

import pytest

from pipelines.errors import LockedError, ParameterError
from pipelines.registry import store
from pipelines.registry.store import Logged, Registry
from pipelines.storage.place import place

LOGGED = Logged({"seed": 1}, {"test/network/roc_auc": 0.7}, {"basis": "a"})


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def registry(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Registry:
    uri = request.getfixturevalue("postgres") if request.param == "postgresql" else ""
    return store.open_registry(uri, tmp_path_factory.mktemp("registry"))


@pytest.fixture
def package(tmp_path: Path) -> Path:
    folder = tmp_path / "package"
    (folder / "states").mkdir(parents=True)
    (folder / "states" / "a.json").write_text("{}")
    (folder / "manifest.json").write_text("{}")
    return folder


@pytest.mark.parametrize("root", ["", "s3a://bucket"])
def test_who_waits_for_the_registry_in_vain_is_told_who_writes(
    postgres: str, tmp_path: Path, root: str
) -> None:
    folder = place(f"{root or tmp_path}/registry")
    said = f"the registry {folder} is being written by another process"
    with (
        store.lock_registry(postgres, folder),
        pytest.raises(LockedError, match=said),
        store.lock_registry(postgres, folder, wait_s=0.2),
    ):
        pass
    with store.lock_registry(postgres, folder, wait_s=0.2):
        pass


def test_a_training_gets_one_version_however_often_it_is_registered(
    registry: Registry, package: Path
) -> None:
    first = store.add_version(registry, "once", "t1", package, LOGGED)
    again = store.add_version(registry, "once", "t1", package, LOGGED)
    other = store.add_version(registry, "once", "t2", package, LOGGED)
    assert (first.number, again.number, other.number) == (1, 1, 2)
    assert first.tags["basis"] == "a"
    assert (first.folder / "states" / "a.json").read_text() == "{}"
    assert store.find_version(registry, "once", "t2") == other
    assert store.find_version(registry, "once", "t3") is None


def test_the_run_holds_parameters_and_figures(registry: Registry, package: Path) -> None:
    store.add_version(registry, "logged", "t1", package, LOGGED)
    experiment = registry.client.get_experiment_by_name("logged").experiment_id
    (run,) = registry.client.search_runs([experiment])
    assert run.data.params == {"seed": "1"}
    assert run.data.metrics == {"test/network/roc_auc": 0.7}


def test_the_alias_moves_and_resolves_to_a_version(registry: Registry, package: Path) -> None:
    assert store.find_champion(registry, "crowned") is None
    first = store.add_version(registry, "crowned", "t1", package, LOGGED)
    second = store.add_version(registry, "crowned", "t2", package, LOGGED)
    assert store.find_champion(registry, "crowned") is None
    for version in (first, second, first):
        store.crown(registry, version)
        assert store.resolve(registry, "crowned", "champion") == version
    assert store.resolve(registry, "crowned", "2") == second


@pytest.mark.parametrize("wanted", ["champion", "7", "best"])
def test_a_version_that_is_not_there_is_refused_with_those_that_are(
    registry: Registry, package: Path, wanted: str
) -> None:
    store.add_version(registry, "refused", "t1", package, LOGGED)
    with pytest.raises(ParameterError, match=rf"got '{wanted}'\. Registered versions: \[1\]"):
        store.resolve(registry, "refused", wanted)


class _KilledError(BaseException):
    pass


@pytest.mark.proves("F33")
@pytest.mark.parametrize(
    "moment",
    ["log_batch", "log_artifacts", "set_terminated", "create_registered_model",
     "create_model_version", "set_registered_model_alias"],
)  # fmt: skip
def test_killed_at_any_moment_the_champion_is_the_old_one_and_the_next_try_ends_the_work(
    registry: Registry, package: Path, moment: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = f"killed-{moment}"
    old = None
    if moment != "create_registered_model":
        old = store.add_version(registry, name, "old", package, LOGGED)
        store.crown(registry, old)

    def die(*args: Any, **kwargs: Any) -> None:
        raise _KilledError

    def register() -> None:
        store.crown(registry, store.add_version(registry, name, "new", package, LOGGED))

    with monkeypatch.context() as patch:
        patch.setattr(registry.client, moment, die)
        with pytest.raises(_KilledError):
            register()
    assert store.find_champion(registry, name) == old
    register()
    champion = store.find_champion(registry, name)
    assert champion is not None
    assert champion.number == (2 if old else 1)
    # one finished run for each training, and no half-made one
    experiment = registry.client.get_experiment_by_name(name).experiment_id
    runs = registry.client.search_runs([experiment])
    assert [run.info.status for run in runs] == ["FINISHED"] * champion.number


@pytest.mark.parametrize(
    "uri",
    ["postgresql://me@db.example.org/models", "http://127.0.0.1:5000", "mysql://localhost/models",
     "postgresql://me@/models?host=10.0.0.1", "sqlite:///elsewhere.db"],
)  # fmt: skip
def test_only_databases_of_this_machine_are_taken(uri: str, tmp_path: Path) -> None:
    with pytest.raises(ParameterError, match="--registry: expected postgresql://USER@HOST/NAME"):
        store.open_registry(uri, tmp_path)


def test_a_password_is_not_repeated_in_an_error(tmp_path: Path) -> None:
    with pytest.raises(ParameterError) as caught:
        store.open_registry("postgresql://me:open-sesame@db.example.org/models", tmp_path)
    assert "sesame" not in str(caught.value)


def test_a_database_that_does_not_answer_is_named_at_once(tmp_path: Path) -> None:
    with pytest.raises(ParameterError, match="--registry: expected a PostgreSQL that answers"):
        store.open_registry(f"postgresql://me@/models?host={tmp_path}", tmp_path)
