"""Pages as headless Chromium shows them."""

import html
import re
import subprocess
from pathlib import Path

# root needs the second, and nothing is asked of the network
FLAGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
)  # fmt: skip


def open_page(page: Path, folder: Path, *flags: str) -> tuple[str, str]:
    """Render ``page``; gives the document as text and what the browser complained of."""
    command = [
        "chromium", *FLAGS, "--enable-logging=stderr", "--v=0",
        f"--user-data-dir={folder / 'chrome'}",
        *flags, page.as_uri(),
    ]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
    said = [line for line in done.stderr.splitlines() if "CONSOLE" in line]
    return done.stdout, "\n".join(said)


def text_of(document: str) -> str:
    """What a person reads, blanks made one."""
    body = re.sub(r"<style.*?</style>", " ", document, flags=re.DOTALL)
    return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", body)).split())


def scroll_width(page: Path, folder: Path, width: int) -> tuple[int, int]:
    """Width of the page's content and of the window, which is ``width`` wide.

    Headless Chromium is never narrower than 500: the narrow view goes into a frame.
    """
    outer = folder / "outer.html"
    outer.write_text(
        f"<iframe id=f src='{page.as_uri()}' width={width} height=900></iframe><p id=out></p>"
        "<script>onload=()=>{const d=f.contentDocument.documentElement;"
        "out.textContent='scroll '+d.scrollWidth+' of '+d.clientWidth}</script>"
    )
    flags = ("--allow-file-access-from-files", "--dump-dom", f"--window-size={width + 100},900")
    document, _ = open_page(outer, folder, *flags)
    scroll, client = map(int, re.findall(r"scroll (\d+) of (\d+)", document)[0])
    assert client > width - 30
    return scroll, client
