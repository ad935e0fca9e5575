"""The connections of KDD Cup 1999 once more: is this one of the rare attempts to break in?

Remote-to-local and user-to-root attacks, against all else: attempts to get onto a machine, or to be
its root, seven in a thousand of the training rows. Of 21 kinds in the test file training has 10.
"""

from dataclasses import replace

from schemas import kddcup99
from schemas.contract import Label

REMOTE_TO_LOCAL = (
    "ftp_write", "guess_passwd", "httptunnel", "imap", "multihop", "named", "phf", "sendmail",
    "snmpgetattack", "snmpguess", "spy", "warezclient", "warezmaster", "worm", "xlock", "xsnoop",
)  # fmt: skip
USER_TO_ROOT = ("buffer_overflow", "loadmodule", "perl", "ps", "rootkit", "sqlattack", "xterm")
_KINDS = ", ".join(f"'{name}.'" for name in (*REMOTE_TO_LOCAL, *USER_TO_ROOT))

SPEC = replace(
    kddcup99.SPEC,
    name="kddcup99_break_ins",
    question="Is this connection an attempt to break in?",
    label=Label("is_break_in", f"int(label in ({_KINDS}))", "remote to local, or user to root"),
    # the files are those of kddcup99, fetched once for both
    files=(),
    origin="",
)
