"""One task is one job: a command with flags in, one JSON line out.

The line is what the task returns, so later tasks get it by XCom. What a retry could not mend fails
at once: a setting that is missing, a flag out of range, a verdict, a job without a line.
"""

import os
from pathlib import Path
from typing import Any

from airflow.providers.apache.spark.hooks.spark_submit import SparkSubmitHook
from airflow.providers.apache.spark.operators.spark_submit import SparkSubmitOperator
from airflow.sdk import Asset, BaseOperator
from airflow.sdk.exceptions import AirflowException, AirflowSkipException
from airflow.sdk.log import mask_secret

from airflow_dags import connections, handover, outcome, process, settings
from airflow_dags.flags import flags_of
from airflow_dags.handover import Result
from airflow_dags.rendering import Dataset, Task
from airflow_dags.settings import SparkSettings


class Job(BaseOperator):
    """Runs the job ``of`` a data set; with ``announces``, that asset's event carries the results.

    ``takes`` is the task that holds the results of another DAG; ``asks`` are params of the DAG that
    become flags of the same name.
    """

    def __init__(
        self,
        *,
        of: tuple[Dataset, Task],
        takes: str = "",
        asks: tuple[str, ...] = (),
        announces: Asset | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(task_id=of[1].name, outlets=[announces] if announces else [], **kwargs)
        self.of, self.takes, self.asks, self.announces = of, takes, asks, announces
        self._mark = ""

    def command(self, flags: list[str]) -> list[str]:
        """Give the command that runs the job in the project's environment."""
        raise NotImplementedError

    def execute(self, context: Any) -> Result:
        """Run the job to its end; give its line."""
        project = settings.require_project()
        results = self._results(context)
        address, secrets = connections.registry()
        flags = flags_of(self.of, results, context, (address, self.asks))
        command = [str(project / "infra" / "airflow" / "job"), *self.command(flags)]
        run = context["dag_run"]
        self._mark = f"{run.dag_id}/{self.of[1].name}/{run.run_id}"
        if context["params"].get("dry_run"):
            return self._say_only(command)
        if ended := process.end_marked(self._mark):
            self.log.warning("Ended what an earlier attempt had left running: %s", ended)
        self.log.info("Runs %s", " ".join(command))
        done = process.run(command, self._environment(secrets), project, self.log.info)
        result = outcome.result_of(done, self.of)
        if self.announces:
            name = self.of[1].name
            said = handover.event({**results, name: result}, name)
            context["outlet_events"][self.announces].extra = said
        return result

    def on_kill(self) -> None:
        """End the job and all that it started, and this attempt wherever it stands.

        Airflow calls it in a handler of SIGTERM and would go on with what that has interrupted: an
        attempt that was still clearing up after the one before would then start its job.

        Raises:
            AirflowException: Always.
        """
        if self._mark:
            process.end_marked(self._mark, process.ASK_KILLED_S)
        raise AirflowException(
            f"{self.of[1].job} of {self.of[0].name} was told to end, and has: somebody set the "
            "task's state, or its worker is stopping"
        )

    def _results(self, context: Any) -> dict[str, Result]:
        """Results of other DAGs, and of the tasks before this one."""
        pull = context["ti"].xcom_pull
        found: dict[str, Result] = dict(pull(task_ids=self.takes) or {}) if self.takes else {}
        before = self.get_flat_relative_ids(upstream=True) - {self.takes}
        # an event tells of all; a job needs what it takes
        wanted = before if self.announces else before & {feed.step for feed in self.of[1].feeds}
        for name in sorted(wanted):
            said = pull(task_ids=name)
            if isinstance(said, dict) and "step" in said:
                found[name] = said
        return found

    def _environment(self, secrets: dict[str, str]) -> dict[str, str]:
        """What the job inherits: all but Airflow's own settings, which hold its secrets."""
        kept = {name: value for name, value in os.environ.items() if not _is_airflows(name)}
        # bash would read ~/.bashrc if it took itself for a login over the network
        kept |= {**secrets, "SHLVL": "1", process.MARK: self._mark}
        for value in process.secrets_of(kept):
            mask_secret(value)
        return kept

    def _say_only(self, command: list[str]) -> Result:
        self.log.info("Dry run, nothing is done. Would run %s", " ".join(command))
        if self.announces:
            # a success would announce what is not there
            raise AirflowSkipException("dry run: nothing is announced")
        return {"step": self.of[1].name, "dry_run": True}


class PythonJob(Job):
    """A job that runs as a Python program: training's launcher, evaluation, the registry."""

    def command(self, flags: list[str]) -> list[str]:
        """Give the command that runs the job in the project's environment."""
        return [str(settings.project() / "build/venv/bin/python"), self.of[1].job, *flags]


class SparkJob(Job, SparkSubmitOperator):
    """A job that spark-submit runs here, or infra/bin/submit on the cluster of the connection."""

    def command(self, flags: list[str]) -> list[str]:
        """Give the command that submits the job.

        Raises:
            SettingsError: The connection is missing: Airflow's hook would go to a YARN that nobody
                asked for.
        """
        self.application_args = flags
        spark = settings.spark()
        connections.require(spark.conn, "GRISTMILL_SPARK_CONN")
        # Airflow gives the master and the command no public name
        hook = self._get_hook()
        master = str(hook._connection["master"])  # noqa: SLF001
        if not master.startswith("local"):
            return _to_cluster(master, spark, self.of[1], flags)
        return hook._build_spark_submit_command(self.of[1].job)  # noqa: SLF001

    def _get_hook(self) -> SparkSubmitHook:
        spark = settings.spark()
        return SparkSubmitHook(
            conf=spark.conf,
            conn_id=spark.conn,
            deploy_mode=spark.deploy_mode,
            driver_memory=spark.driver_memory or None,
            executor_memory=spark.executor_memory or None,
            executor_cores=int(spark.executor_cores) if spark.executor_cores else None,
            num_executors=int(spark.num_executors) if spark.num_executors else None,
            packages=spark.packages or None,
            name=f"gristmill-{self.of[0].name}-{self.of[1].name}",
            application_args=self.application_args,
            spark_binary=str(settings.project() / "build/venv/bin/spark-submit"),
        )


def job(dataset: Dataset, task: Task, **kwargs: Any) -> BaseOperator:
    """Give the task of Airflow that runs ``task``."""
    kind = SparkJob if task.engine == "spark" else PythonJob
    return kind(of=(dataset, task), **kwargs)


def _to_cluster(master: str, spark: SparkSettings, task: Task, flags: list[str]) -> list[str]:
    """Give the command that ships code and environment to a cluster of several hosts."""
    conf = {
        "spark.driver.memory": spark.driver_memory,
        "spark.executor.memory": spark.executor_memory,
        "spark.executor.cores": spark.executor_cores,
        "spark.executor.instances": spark.num_executors,
        "spark.jars.packages": spark.packages,
        **spark.conf,
    }
    said = [word for name, value in conf.items() if value for word in ("--conf", f"{name}={value}")]
    submit = [str(settings.project() / "infra/bin/submit"), Path(task.job).stem, *flags]
    return [*submit, "--master", master, *said, *spark.submit_options]


def _is_airflows(name: str) -> bool:
    return name.startswith(("AIRFLOW_", "_AIRFLOW"))
