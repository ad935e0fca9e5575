"""A training as the command line that a person would type."""

import shlex
from dataclasses import fields
from typing import Any

from pipelines.training.parameters import TrainParams


def command_of(params: TrainParams, num_processes: int) -> str:
    """Give the command line that trains with ``params``: what is as by default is left out.

    >>> command_of(TrainParams("toy", "toy@v0", "s.json", hidden=(8, 4)), 2)
    'python jobs/train.py --np 2 --dataset toy --features toy@v0 --state s.json --hidden 8 4'
    """
    plain = TrainParams(params.dataset, params.features, params.state)
    flags: list[str] = []
    for item in fields(TrainParams):
        value = getattr(params, item.name)
        is_needed = item.name in ("dataset", "features", "state")
        if is_needed or value != getattr(plain, item.name):
            flags += _flag(item.name, value)
    return shlex.join(["python", "jobs/train.py", "--np", str(num_processes), *flags])


def _flag(name: str, value: Any) -> list[str]:
    flag = name.replace("_", "-")
    if isinstance(value, bool):
        return [f"--{'' if value else 'no-'}{flag}"]
    return [f"--{flag}", *map(str, value if isinstance(value, tuple) else (value,))]
