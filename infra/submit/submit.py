"""Run one job of Spark on a cluster: settings, code and environment go along, its line comes back.

The driver stays here (client mode), so the line that a job prints is the last of stdout and its
exit code is ours; all else that job and Spark say goes to stderr as JSON lines that name the run.
On Kubernetes the driver is a pod, and the line is the last of its log.
"""

import argparse
import os
import re
import shlex
import signal
import subprocess
import sys
import tempfile
import uuid
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

from clusters import CLUSTERS, Cluster, SubmitError, choose
from conf_folder import conf_folder
from messages import Messages, relay
from package import KINDS
from ship import shipped

ROOT = Path(__file__).parents[2]
JOBS = ROOT / "jobs"
# where a job of Spark stands in the image, see infra/docker/Dockerfile
IMAGE_JOBS = "local:///opt/gristmill/jobs"
# of the programs in jobs/, those that print one JSON line
_PRINTS = re.compile(r"^ *(run_job|print_result)\(", re.MULTILINE)
_ENVIRONMENT = f"""for executors: {" or ".join(KINDS)} (archives of infra/bin/package; by default
what the job needs), an archive, a folder where all hosts see one unpacked, or installed: this
checkout, set up at the same path"""
EXIT_ERROR = 1
EXIT_USAGE = 2


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> None:
        self.exit(EXIT_USAGE, f"error: {message}. infra/bin/submit --help explains each flag\n")


def main(arguments: Sequence[str]) -> int:
    """Submit what the command line says; gives the exit code."""
    job, rest = (arguments[0], arguments[1:]) if arguments else ("--help", ())
    if job in ("-h", "--help"):
        _parser().print_help()
        return 0
    options, job_flags = _parser().parse_known_args(rest)
    options.job = job
    options.run_id = options.run_id or f"{job}-{uuid.uuid4().hex[:12]}"
    try:
        _check_job(job)
        if {"-h", "--help"} & set(job_flags):
            return subprocess.call([sys.executable, _script(job), "--help"])
        cluster = choose(options)
        with tempfile.TemporaryDirectory(prefix="gristmill-submit-") as scratch:
            folder = conf_folder(cluster.name, options, Path(scratch))
            sent = shipped(options, cluster, Path(scratch))
            command = [*_command(options, cluster, folder), *sent]
            command += [_program(options, cluster), *job_flags]
            # this checkout's code, whichever the environment was made with
            ours = {"SPARK_CONF_DIR": str(folder), "PYTHONPATH": str(ROOT), **cluster.environment}
            if options.print:
                sys.stdout.write(shlex.join(["env", *_assigned(ours), *command]) + "\n")
                return 0
            cluster.require_reachable()
            return _run(command, ours, _messages(options, job_flags))
    except SubmitError as error:
        sys.stderr.write(f"error: {error}\n")
        return EXIT_ERROR


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog="infra/bin/submit",
        allow_abbrev=False,
        add_help=False,
        description=__doc__,
        epilog=f"JOB is one of {', '.join(spark_jobs())}. What is not listed here is a flag of the "
        "job's own: infra/bin/submit JOB --help",
        usage="infra/bin/submit JOB [job's flags] [--cluster NAME] [--master URL] [...]",
    )
    add = parser.add_argument
    add("--cluster", choices=CLUSTERS, help="whose settings; by default what --master says")
    add("--master", help="local[N], spark://HOST:PORT, yarn or k8s://https://HOST:PORT")
    add("--conf", action="append", default=[], metavar="KEY=VALUE", help="a setting of Spark")
    add("--jars", default="", help="jars besides Delta's and ours, with commas between")
    add("--environment", default="", metavar="WHAT", help=_ENVIRONMENT)
    add("--driver-host", default="", help="our address for executors; by default towards --master")
    add("--secret-file", type=Path, help="standalone: file with the secret of master and workers")
    add("--open-network", action="store_true", help="standalone: no secret; a private network only")
    add("--hadoop-conf", type=Path, help="yarn: folder with yarn-site.xml and core-site.xml")
    add("--image", default="", help="kubernetes: an image as infra/docker/Dockerfile makes (spark)")
    add("--run-id", default="", help="names the run in all lines; by default a new one")
    add("--log", choices=("json", "plain"), default="json", help="form of the lines on stderr")
    add("--print", action="store_true", help="print the command and end; nothing is shipped")
    return parser


def spark_jobs() -> list[str]:
    """Give the names of all jobs that start Spark by themselves."""
    return [
        path.stem
        for path in sorted(JOBS.glob("*.py"))
        if "spark_session" in (text := path.read_text()) and _PRINTS.search(text)
    ]


def _script(job: str) -> str:
    return str(JOBS / f"{job}.py")


def _check_job(job: str) -> None:
    if job in spark_jobs():
        return
    if Path(_script(job)).is_file():
        raise SubmitError(f"{job} starts no Spark; run it as python jobs/{job}.py")
    raise SubmitError(f"unknown job {job!r}; expected one of {', '.join(spark_jobs())}")


def _command(options: argparse.Namespace, cluster: Cluster, folder: Path) -> list[str]:
    settings = {**cluster.settings, "spark.gristmill.run": options.run_id}
    if cluster.name != "local":
        # what executors write names the run too
        settings["spark.executorEnv.GRISTMILL_RUN"] = options.run_id
        settings["spark.executorEnv.GRISTMILL_JOB"] = options.job
    given = [word for pair in options.conf for word in ("--conf", pair)]
    ours = [word for pair in settings.items() for word in ("--conf", "=".join(pair))]
    # the user's come later, and win
    command = ["spark-submit", "--master", cluster.master, *ours, *given]
    jars = [_jars(folder), options.jars]
    return [*command, "--jars", ",".join(jars)] if options.jars else command


def _jars(folder: Path) -> str:
    """--jars takes the place of spark.jars: name those too."""
    lines = (folder / "spark-defaults.conf").read_text().splitlines()
    named = [line.split(maxsplit=1)[1] for line in lines if line.startswith("spark.jars ")]
    return ",".join(named)


def _program(options: argparse.Namespace, cluster: Cluster) -> str:
    if cluster.name == "kubernetes":
        return f"{IMAGE_JOBS}/{options.job}.py"
    return _script(options.job)


def _assigned(environment: dict[str, str]) -> list[str]:
    return [f"{name}={value}" for name, value in environment.items()]


def _messages(options: argparse.Namespace, job_flags: list[str]) -> Messages:
    following = dict(pairwise(job_flags))
    dataset = following.get("--dataset", "")
    return Messages(options.run_id, options.job, dataset, is_json=options.log == "json")


def _run(command: list[str], environment: dict[str, str], messages: Messages) -> int:
    process = subprocess.Popen(
        command,
        env={**os.environ, **environment, **messages.environment()},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        errors="replace",
    )
    with process:
        # a scheduler that cancels us cancels the job
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: process.terminate())
        line = relay(process, messages)
        code = process.wait()
    if code == 0 and line is None:
        messages.say("error: expected the job's JSON line as the last of its output; none came")
        return EXIT_ERROR
    if line is not None:
        sys.stdout.write(f"{line}\n")
    # a signal's number is negative here, and shells add 128
    return code if code >= 0 else 128 - code


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
