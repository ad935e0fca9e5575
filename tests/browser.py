"""Headless Chromium that stays open: pages of a server that ask for a log-in and fill themselves.

It is driven by Chromium's own protocol (chromedevtools.github.io/devtools-protocol) over a pair of
pipes: JSON messages, each ended by a zero byte. So no port is open, and no driver is needed.
"""

import base64
import json
import os
import signal
import subprocess
import time
from collections.abc import Generator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from tests.chromium import FLAGS

_WAIT_S = 180.0  # for a page to hold what is waited for, beside much other work
_POLL_S = 0.2
# it ends with the tests, also when they are killed by SIGKILL
_WITH_US = ("setpriv", "--pdeathsig", "KILL")


class Browser:
    """One page; each call waits for Chromium's answer."""

    def __init__(self, to_chromium: int, from_chromium: int) -> None:
        self._out = to_chromium
        self._in = from_chromium
        self._buffer = b""
        self._number = 0
        self._session = ""
        target = self._call("Target.createTarget", url="about:blank")["targetId"]
        attached = self._call("Target.attachToTarget", targetId=target, flatten=True)
        self._session = attached["sessionId"]
        self._call("Page.enable")
        self._call(
            "Emulation.setDeviceMetricsOverride",
            width=1500, height=950, deviceScaleFactor=1, mobile=False,
        )  # fmt: skip

    def open(self, url: str) -> None:
        """Go to a page; what it holds comes later."""
        self._call("Page.navigate", url=url)

    def evaluate(self, expression: str) -> Any:
        """Give the value of a JavaScript expression on the page."""
        answer = self._call("Runtime.evaluate", expression=expression, returnByValue=True)
        if "exceptionDetails" in answer:
            raise RuntimeError(f"{expression}: {answer['exceptionDetails']['text']}")
        return answer["result"].get("value")

    def wait_for(self, expression: str) -> None:
        """Wait until an expression is true.

        Raises:
            TimeoutError: It doesn't get so; with what the page shows instead.
        """
        deadline = time.monotonic() + _WAIT_S
        while not self.evaluate(f"document.body !== null && Boolean({expression})"):
            if time.monotonic() > deadline:
                raise TimeoutError(f"expected {expression}; the page shows:\n{self.text()}")
            time.sleep(_POLL_S)

    def text(self) -> str:
        """Give what a person reads on the page."""
        return str(self.evaluate("document.body.innerText"))

    def type_into(self, selector: str, text: str) -> None:
        """Type a text into a field, as from a keyboard."""
        self.evaluate(f"document.querySelector({json.dumps(selector)}).focus()")
        self._call("Input.insertText", text=text)

    def screenshot(self, path: Path) -> None:
        """Write what the window shows as a PNG."""
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(base64.b64decode(self._call("Page.captureScreenshot")["data"]))

    def _call(self, method: str, **parameters: Any) -> dict[str, Any]:
        self._number += 1
        message: dict[str, Any] = {"id": self._number, "method": method, "params": parameters}
        if self._session:
            message["sessionId"] = self._session
        sent = json.dumps(message).encode() + b"\0"
        while sent:
            sent = sent[os.write(self._out, sent) :]
        while True:
            answer = json.loads(self._read())
            if answer.get("id") != self._number:
                continue  # an event
            if "error" in answer:
                raise RuntimeError(f"{method}: {answer['error']}")
            return answer["result"]

    def _read(self) -> bytes:
        while b"\0" not in self._buffer:
            piece = os.read(self._in, 1 << 20)
            if not piece:
                raise EOFError("Chromium has ended")
            self._buffer += piece
        message, _, self._buffer = self._buffer.partition(b"\0")
        return message


@contextmanager
def browser(folder: Path) -> Generator[Browser]:
    """Open a page until the end of the block; ``folder`` keeps Chromium's profile and its log."""
    chromium_reads, we_write = os.pipe()
    we_read, chromium_writes = os.pipe()
    theirs = (chromium_reads, chromium_writes)
    # Chromium expects them at 3 and 4
    shell = ["bash", "-c", f'exec "$@" 3<&{theirs[0]} 4>&{theirs[1]}', "chromium"]
    command = [*_WITH_US, "chromium", *FLAGS, "--remote-debugging-pipe", "--lang=en"]
    with (folder / "chromium.log").open("wb") as log:
        process = subprocess.Popen(
            [*shell, *command, f"--user-data-dir={folder / 'profile'}"],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            pass_fds=theirs,
            start_new_session=True,
        )
    for end in theirs:
        os.close(end)
    try:
        yield Browser(we_write, we_read)
    finally:
        os.close(we_write)
        os.close(we_read)
        kill_group(process)


def kill_group(process: subprocess.Popen[bytes]) -> None:
    """End a browser and its helpers, which share its session."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
