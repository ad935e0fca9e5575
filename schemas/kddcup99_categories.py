"""The connections of KDD Cup 1999 in the five categories that its contest was scored by.

Flooding (``dos``), looking for a way in (``probe``), getting onto a machine from outside (``r2l``),
becoming its root (``u2r``), or none of them. The last two are rare where the model learns, and half
of the kinds in the test file are known there only.
"""

from dataclasses import replace

from schemas import kddcup99
from schemas.contract import Label
from schemas.kddcup99_break_ins import REMOTE_TO_LOCAL, USER_TO_ROOT

_KINDS = {
    "normal": ("normal",),
    "dos": (
        "apache2", "back", "land", "mailbomb", "neptune", "pod", "processtable", "smurf",
        "teardrop", "udpstorm",
    ),
    "probe": ("ipsweep", "mscan", "nmap", "portsweep", "saint", "satan"),
    "r2l": REMOTE_TO_LOCAL,
    "u2r": USER_TO_ROOT,
}  # fmt: skip
_CASES = " ".join(
    f"when label in ({', '.join(repr(f'{kind}.') for kind in kinds)}) then '{category}'"
    for category, kinds in _KINDS.items()
)

SPEC = replace(
    kddcup99.SPEC,
    name="kddcup99_categories",
    question="Is this connection normal, and if not, what kind of attack is it?",
    label=Label(
        "category",
        # a kind that nobody has put into a category stands for itself, and is set aside
        f"case {_CASES} else label end",
        "the contest's categories of attacks",
        classes=tuple(_KINDS),
    ),
    # the files are those of kddcup99, fetched once for all
    files=(),
    origin="",
)
