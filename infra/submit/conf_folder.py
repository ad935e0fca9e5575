"""The folder of settings of one run: as set-up wrote it, or a private copy that holds a secret."""

import argparse
import shutil
from pathlib import Path

from clusters import SubmitError

FOLDERS = Path(__file__).parents[2] / "build" / "spark-clusters"


def conf_folder(cluster: str, options: argparse.Namespace, scratch: Path) -> Path:
    """Give what ``SPARK_CONF_DIR`` must name.

    A secret goes into a file that only its owner can read, never onto a command line, which all
    users of a machine can see.

    Raises:
        SubmitError: Nothing is set up, or others can read the secret.
    """
    folder = FOLDERS / cluster
    if not (folder / "spark-defaults.conf").is_file():
        raise SubmitError(f"{folder}: expected Spark's settings there; run infra/bin/setup")
    if cluster != "standalone" or options.print:
        return folder
    copied = scratch / "conf"
    shutil.copytree(folder, copied)
    copied.chmod(0o700)
    defaults = copied / "spark-defaults.conf"
    defaults.chmod(0o600)
    with defaults.open("a") as file:
        if options.secret_file is None:
            # refused before unless the network is said to be private
            file.write("\nspark.authenticate false\nspark.network.crypto.enabled false\n")
        else:
            file.write(f"\nspark.authenticate.secret {_secret(options.secret_file)}\n")
    return copied


def _secret(path: Path) -> str:
    try:
        mode, text = path.stat().st_mode, path.read_text().strip()
    except OSError as error:
        raise SubmitError(
            f"--secret-file {path}: expected a file with the secret of master and workers; "
            f"{error.strerror}"
        ) from error
    if mode & 0o077:
        raise SubmitError(f"--secret-file {path}: others can read it; chmod 600 it")
    if not text or len(text.split()) != 1:
        raise SubmitError(f"--secret-file {path}: expected one word in it")
    return text
