"""Each DAG run by ``dag.test()``; the jobs are played, since real ones are run elsewhere."""

from itertools import pairwise
from typing import Any

from tests.airflow_dags.conftest import RETRIES, Project

SECRET = "canary-Hb37-registry"
LAYERS = ("raw", "deduplicated", "split", "imputed", "features")


def _flags(project: Project, job: str) -> dict[str, list[str]]:
    """Flags of the last call of a job, each with its values."""
    found: dict[str, list[str]] = {}
    values: list[str] = []
    flags = [call["flags"] for call in project.calls if call["job"] == job][-1]
    for text in flags:
        if text.startswith("--"):
            values = found.setdefault(text, [])
        else:
            values.append(text)
    return found


def _extra(said: dict[str, Any], asset: str) -> dict[str, Any]:
    return [event["extra"] for event in said["events"] if event["asset"] == asset][-1]


def test_each_job_takes_what_the_lines_before_it_said_and_the_event_carries_all(
    project: Project,
) -> None:
    said = project.run("prepare_parcels", environment={"GRISTMILL_SOURCES_PARCELS": "a=b 'c=d e'"})
    assert said["state"] == "success", project.logged[-3000:]
    called = [call["job"] for call in project.calls]
    assert called[:4] == ["ingest", "validate", "deduplicate", "validate"]
    assert len(called) == 10
    assert _flags(project, "ingest")["--sources"] == ["a=b", "c=d e"]
    base = f"{project.lake}/parcels"
    assert _flags(project, "engineer_features")["--inputs"] == [
        f"{base}/imputed/parcels@v4",
        f"{base}/deduplicated/depots@v4",
    ]
    assert _flags(project, "validate")["--inputs"] == [f"{base}/features/parcels@v4"]
    assert _flags(project, "validate")["--run"] == [said["run"]]
    extra = _extra(said, "features_parcels")
    assert (extra["table"], extra["version"]) == (f"{base}/features/parcels@v4", 4)
    assert extra["rows"]["ingest"] == {
        "parcels": {"read": 5, "kept": 5},
        "depots": {"read": 5, "kept": 5},
    }
    assert extra["quality"] == {"success": True, "checks": 15, "failed": 0}
    assert set(extra["results"]) == {
        *("ingest", "deduplicate", "split", "impute", "engineer_features"),
        *(f"validate_{layer}" for layer in LAYERS),
    }


RESOURCES = {
    "GRISTMILL_SPARK_CONN": "ours",
    "GRISTMILL_DRIVER_MEMORY": "3g",
    "GRISTMILL_PACKAGES": "org.example:a:1",
    "GRISTMILL_SPARK_CONF": "spark.executor.instances=2",
}


def test_spark_on_this_machine_is_asked_as_connection_and_settings_say(project: Project) -> None:
    connection = {"AIRFLOW_CONN_OURS": '{"conn_type": "spark", "host": "local[3]"}'}
    said = project.run("maintain_tables_parcels", environment=RESOURCES | connection)
    assert said["state"] == "success", project.logged[-3000:]
    (call,) = project.calls
    command = call["command"]
    assert command[0] == str(project.folder / "build/venv/bin/spark-submit")
    for pair in (
        ("--master", "local[3]"),
        ("--deploy-mode", "client"),
        ("--driver-memory", "3g"),
        ("--packages", "org.example:a:1"),
        ("--conf", "spark.executor.instances=2"),
    ):
        assert pair in list(pairwise(command))


def test_a_cluster_gets_code_and_environment_by_our_own_submit(project: Project) -> None:
    settings = {
        "AIRFLOW_CONN_OURS": '{"conn_type": "spark", "host": "spark://one", "port": 7077}',
        "GRISTMILL_SUBMIT_OPTIONS": "--secret-file '/etc/mill/a secret'",
    }
    said = project.run("maintain_tables_parcels", environment=RESOURCES | settings)
    assert said["state"] == "success", project.logged[-3000:]
    (call,) = project.calls
    assert call["command"] == [
        *(str(project.folder / "infra/bin/submit"), "maintain"),
        *("--dataset", "parcels", "--root", str(project.lake)),
        *("--master", "spark://one:7077"),
        *("--conf", "spark.driver.memory=3g"),
        *("--conf", "spark.executor.instances=2"),
        *("--conf", "spark.jars.packages=org.example:a:1"),
        *("--secret-file", "/etc/mill/a secret"),
    ]


def test_training_scoring_and_the_watch_go_on_from_the_announced_version(project: Project) -> None:
    project.run("prepare_parcels")
    said = project.run("train_parcels", {"np": 3})
    assert said["state"] == "success", project.logged[-3000:]
    base = f"{project.lake}/parcels"
    assert [call["job"] for call in project.calls[10:]] == [
        "train",
        "evaluate",
        "explain",
        "register",
    ]
    assert _flags(project, "train")["--np"] == ["3"]
    assert _flags(project, "train")["--features"] == [f"{base}/features/parcels@v4"]
    registered = _flags(project, "register")
    assert registered["--training"] == [f"{base}/steps/train-f-train.json"]
    assert registered["--states"] == [f"{base}/states/impute.json"]
    assert _extra(said, "model_parcels")["model"]["is_champion"] is True
    said = project.run("score_parcels")
    assert said["state"] == "success", project.logged[-3000:]
    assert _flags(project, "score")["--model"] == ["champion"]
    assert _extra(said, "predictions_parcels")["version"] == 1
    said = project.run("report_quality_parcels")
    assert said["state"] == "success", project.logged[-3000:]
    watched = _flags(project, "report_quality")
    assert watched["--inputs"] == [f"{base}/features/parcels@v4"]
    assert watched["--predictions"] == [f"{base}/predictions@v1"]


def test_an_interval_is_read_and_features_without_a_model_are_passed_over(
    project: Project,
) -> None:
    march = {"interval_start": "2013-03-01T00:00:00Z", "interval_end": "2013-04-01T00:00:00Z"}
    said = project.run("prepare_flights", march)
    assert said["state"] == "success", project.logged[-3000:]
    read = _flags(project, "ingest")
    assert read["--interval-start"] == ["2013-03-01T00:00:00+00:00"]
    assert read["--interval-end"] == ["2013-04-01T00:00:00+00:00"]
    said = project.run("score_flights")
    assert said["states"] == {"take_features": "skipped", "score": "skipped"}
    assert "train_flights will start this again" in project.logged
    assert "score" not in [call["job"] for call in project.calls]


def test_a_model_that_does_not_pass_the_gate_is_not_registered(project: Project) -> None:
    project.run("prepare_parcels")
    said = project.run("train_parcels", {"minimum_roc_auc": 0.71})
    assert said["state"] == "failed"
    assert said["states"]["gate"] == "failed"
    assert said["states"]["register"] == "upstream_failed"
    assert "register" not in [call["job"] for call in project.calls]
    assert "expected a ROC AUC over 0.71" in project.notices[-1]["error"]


def test_a_table_that_breaks_its_contract_stops_the_run_at_once(project: Project) -> None:
    words = "error: parcels: 1 of 2 tables break their contract"
    project.play("validate_deduplicated", prints=["first line", words, ""], code=1)
    said = project.run("prepare_parcels", environment=RETRIES)
    assert said["states"]["validate_deduplicated"] == "failed"
    assert said["states"]["split"] == "upstream_failed"
    assert [call["job"] for call in project.calls].count("validate") == 2
    (notice,) = project.notices
    assert notice["error"].endswith("exit code 1: " + words.removeprefix("error: "))
    assert notice["report"] == f"{project.lake}/parcels/reports/quality/index.html"
    assert notice["task"] == "validate_deduplicated"


def test_a_dry_run_says_the_commands_and_does_nothing(project: Project) -> None:
    before = project.run("maintain_tables_parcels")["events"]
    for name in ("prepare", "train", "score", "report_quality"):
        said = project.run(f"{name}_parcels", {"dry_run": True})
        assert said["state"] == "success", project.logged[-3000:]
        assert said["events"] == before
        assert "Would run" in project.logged
    assert [call["job"] for call in project.calls] == ["maintain"]
    assert not project.lake.exists()


def test_a_secret_of_a_connection_reaches_the_job_and_no_command_or_log(project: Project) -> None:
    connection = (
        f'{{"conn_type": "postgres", "login": "mill", "password": "{SECRET}", '
        '"host": "localhost", "schema": "models"}'
    )
    project.play("validate_raw", says="PGPASSWORD")
    settings = {"AIRFLOW_CONN_MODELS": connection, "GRISTMILL_REGISTRY_CONN": "models"}
    said = project.run("prepare_parcels", environment=settings)
    assert said["state"] == "success"
    calls = [call for call in project.calls if call["job"] == "validate"]
    assert {call["env"]["PGPASSWORD"] for call in calls} == {SECRET}
    assert _flags(project, "validate")["--registry"] == ["postgresql://mill@localhost/models"]
    assert all(SECRET not in text for call in calls for text in call["command"])
    assert "***" in project.logged
    assert SECRET not in project.logged
    assert all(not name.startswith("AIRFLOW_") for call in calls for name in call["env"])
