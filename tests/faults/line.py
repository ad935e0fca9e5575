"""One line of the catalogues of faults, bad inputs and security checks."""

from typing import NamedTuple


class Line(NamedTuple):
    """What is done to the pipeline, and what it promises then."""

    injected: str
    promised: str
