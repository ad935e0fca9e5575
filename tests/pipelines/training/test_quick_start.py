"""What a rank imports."""

import json
import subprocess
import sys

PROGRAM = """
import json, sys
from pipelines.training.quick_start import skip_unused_imports
if sys.argv[1] == "skip":
    skip_unused_imports()
import keras, pipelines.loading.dataset, pipelines.training.loop
found = sorted(name for name in ("sklearn", "matplotlib", "pandas") if sys.modules.get(name))
print(json.dumps(found))
"""


def _imported(word: str) -> list[str]:
    command = [sys.executable, "-c", PROGRAM, word]
    printed = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
    return json.loads(printed.splitlines()[-1])


def test_a_rank_imports_neither_scikit_learn_nor_matplotlib() -> None:
    assert _imported("skip") == ["pandas"]


def test_keras_alone_imports_both() -> None:
    # else the trick is needed no longer
    assert _imported("all") == ["matplotlib", "pandas", "sklearn"]
