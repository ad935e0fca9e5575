"""An S3 server of the tests: S3Proxy over a folder, on loopback, with keys made for one run.

It speaks the protocol as a server of its own (infra/decisions/0013-s3-for-tests.md says what was
tried): signatures, lists, ranges, ETags and refusals are its, not ours.
"""

import os
import re
import secrets
import subprocess
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from pyarrow.fs import FileSelector, LocalFileSystem, S3FileSystem, copy_files

from tests.listening import WITH_US, wait_for_port

ROOT = Path(__file__).parents[1]
_JARS = ROOT / "build" / "s3proxy"
_LISTENS = re.compile(r"Started .*ServerConnector.*\{127\.0\.0\.1:(\d+)\}")
_SETTINGS = """
s3proxy.endpoint=http://127.0.0.1:0
s3proxy.authorization=aws-v4
s3proxy.identity={access_key}
s3proxy.credential={secret_key}
jclouds.provider=filesystem-nio2
jclouds.filesystem.basedir={data}
"""
_LOGGING = """
<configuration>
  <appender name="stdout" class="ch.qos.logback.core.ConsoleAppender">
    <encoder><pattern>%d %level %msg%n</pattern></encoder>
  </appender>
  <root level="INFO"><appender-ref ref="stdout"/></root>
</configuration>
"""


@dataclass(frozen=True, slots=True)
class S3Server:
    """A server that runs, its one bucket, and the keys that it takes."""

    port: int
    bucket: str
    access_key: str
    secret_key: str
    folder: Path

    def environment(self, port: int = 0) -> dict[str, str]:
        """Give the environment in which AWS's tools find the server, or a relay before it."""
        return nobody(self.folder) | {
            "AWS_ACCESS_KEY_ID": self.access_key,
            "AWS_SECRET_ACCESS_KEY": self.secret_key,
            "AWS_ENDPOINT_URL": f"http://127.0.0.1:{port or self.port}",
        }

    def url(self, table: str) -> str:
        """Give the address of a folder in the bucket."""
        return f"s3://{self.bucket}/{table}"

    def upload(self, folder: Path, table: str) -> str:
        """Put a folder's files under ``table`` and give its address."""
        copy_files(
            str(folder),
            f"{self.bucket}/{table}",
            source_filesystem=LocalFileSystem(),
            destination_filesystem=self.files(),
        )
        return self.url(table)

    def keys(self, table: str) -> list[str]:
        """Give the objects under ``table``."""
        found = self.files().get_file_info(
            FileSelector(f"{self.bucket}/{table}", allow_not_found=True, recursive=True)
        )
        return [info.path for info in found if info.is_file]

    def files(self) -> S3FileSystem:
        """Give the store as the tests' own client sees it, with the keys as arguments."""
        return S3FileSystem(
            access_key=self.access_key,
            secret_key=self.secret_key,
            endpoint_override=f"127.0.0.1:{self.port}",
            scheme="http",
            region="us-east-1",
            allow_bucket_creation=True,
            # pyarrow 14's copy_files waits for ever where uploads in the background need the
            # threads that copy: eight files of several parts are enough
            background_writes=False,
        )


def nobody(folder: Path) -> dict[str, str]:
    """Give this environment less all that it says of AWS: no keys, no server."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    return kept | {
        "AWS_CONFIG_FILE": str(folder / "no-config"),
        "AWS_SHARED_CREDENTIALS_FILE": str(folder / "no-credentials"),
        "AWS_EC2_METADATA_DISABLED": "true",
    }


@contextmanager
def s3_server(folder: Path) -> Generator[S3Server]:
    """Serve until the end of the block; ``folder`` keeps objects, settings and the log.

    Raises:
        FileNotFoundError: The server is not installed.
        TimeoutError: It does not start; its log says why.
    """
    if not list(_JARS.glob("*.jar")):
        raise FileNotFoundError(
            f"expected the jars of S3Proxy in {_JARS}; there are none. infra/bin/setup --test "
            "installs them"
        )
    access_key, secret_key = f"AK{secrets.token_hex(8).upper()}", secrets.token_hex(20)
    data, settings = folder / "objects", folder / "server.properties"
    data.mkdir(parents=True)
    settings.touch(mode=0o600)
    settings.write_text(_SETTINGS.format(access_key=access_key, secret_key=secret_key, data=data))
    (folder / "logback.xml").write_text(_LOGGING)
    java = Path(os.environ["JAVA_HOME"]) / "bin" / "java"
    options = ["-Xmx128m", f"-Dlogback.configurationFile={folder / 'logback.xml'}"]
    program = ["-cp", f"{_JARS}/*", "org.gaul.s3proxy.Main", "--properties", str(settings)]
    log = folder / "server.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [*WITH_US, str(java), *options, *program],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
        )
    try:
        port = wait_for_port(process, log, _LISTENS, "S3Proxy")
        server = S3Server(port, "lake", access_key, secret_key, folder)
        server.files().create_dir(server.bucket)
        yield server
    finally:
        process.kill()
        process.wait()
