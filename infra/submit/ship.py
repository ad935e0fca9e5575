"""What executors need and do not have: the code, and a Python environment to run it."""

import argparse
import zipfile
from pathlib import Path

from clusters import Cluster, SubmitError
from package import KINDS, archive

ROOT = Path(__file__).parents[2]
CODE = ("schemas", "pipelines", "jobs")
INSTALLED = "installed"
# jobs whose tasks run TensorFlow
_TRAINING = {"train_on_spark", "score"}
# names of folders in an executor's working folder
_CODE_FOLDER, _ENVIRONMENT_FOLDER = "gristmill", "environment"


def shipped(options: argparse.Namespace, cluster: Cluster, scratch: Path) -> list[str]:
    """Give the flags of spark-submit that send code and environment to the executors.

    The code goes as an archive, not by ``--py-files``: these stand on the driver's path too, before
    the checkout, and a step is named by the files of its code.

    Raises:
        SubmitError: The archive of the environment is missing.
    """
    if not cluster.takes_archives:
        return []
    by_job = "training" if options.job in _TRAINING else "spark"
    environment = options.environment or by_job
    if environment == INSTALLED:
        return []
    code = (archive("spark").parent if options.print else scratch) / "code.zip"
    if not options.print:
        zip_code(code)
    archives = [f"{code}#{_CODE_FOLDER}"]
    python = f"./{_ENVIRONMENT_FOLDER}/bin/python"
    place = archive(environment) if environment in KINDS else Path(environment).absolute()
    if place.is_dir():
        # all hosts see it
        python = str(place / "bin" / "python")
    else:
        archives.append(f"{place}#{_ENVIRONMENT_FOLDER}")
    _require(place, Path(python) if place.is_dir() else place, environment)
    settings = {
        "spark.executorEnv.PYTHONPATH": f"./{_CODE_FOLDER}",
        "spark.pyspark.python": python,
        "spark.pyspark.driver.python": str(ROOT / "build" / "venv" / "bin" / "python"),
    }
    flags = [word for pair in settings.items() for word in ("--conf", "=".join(pair))]
    return ["--archives", ",".join(archives), *flags]


def zip_code(target: Path) -> None:
    """Write what this checkout holds of the code, without tests and set-up."""
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as packed:
        for name in CODE:
            for path in sorted((ROOT / name).rglob("*")):
                if path.is_file() and "__pycache__" not in path.parts:
                    packed.write(path, path.relative_to(ROOT))


def _require(place: Path, needed: Path, asked: str) -> None:
    if needed.exists():
        return
    advice = f"run infra/bin/package {asked}" if asked in KINDS else "name one that is there"
    raise SubmitError(
        f"{place}: expected the Python environment for executors; nothing is there. {advice}, or "
        f"give --environment {INSTALLED} if each host has this checkout, set up, at the same path"
    )
