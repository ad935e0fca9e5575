"""Where the registry's database is: on this machine, and reached without a password in sight."""

from urllib.parse import parse_qs, urlsplit

from pipelines.errors import ParameterError

_LOOPBACK = ("localhost", "127.0.0.1", "::1")
# libpq's names of what must stay secret
_SECRETS = ("password", "sslpassword")


def check_address(uri: str) -> None:
    """Take ``postgresql://USER@HOST/NAME`` on this machine, or nothing; no word of it is repeated.

    Raises:
        ParameterError: It is of another kind, on another machine, or holds a password: who lists
            processes would read it, and so would who reads the record of the run.
    """
    if not uri:
        return
    parts = urlsplit(uri)
    query = parse_qs(parts.query, keep_blank_values=True)
    if parts.password is not None or any(name in query for name in _SECRETS):
        raise ParameterError(
            "--registry: expected an address without a password; got one with it, which everybody "
            "on this machine can read in the list of processes. Take it out, change it, and put it "
            "where PostgreSQL's client looks: a line HOST:PORT:NAME:USER:PASSWORD in ~/.pgpass "
            "(chmod 600), or PGPASSFILE"
        )
    # what stands in the query overrides the host before it
    hosts = [parts.hostname or "", *query.get("host", []), *query.get("hostaddr", [])]
    far = [host for host in hosts if host and host not in _LOOPBACK and not host.startswith("/")]
    if parts.scheme.partition("+")[0] != "postgresql" or far or "service" in query:
        raise ParameterError(
            "--registry: expected postgresql://USER@HOST/NAME with a host of this machine "
            f"({', '.join(_LOOPBACK)} or a socket's folder) and no service=, or nothing for "
            f"SQLite; got {parts.scheme or 'no scheme'} at {', '.join(far) or 'no other host'}"
        )
