"""What AWS's own tools would be told here: the server, the region, where the keys are.

pyarrow 14 finds keys by itself, in the usual places; it does not know the settings that name
another server than Amazon's. Both are settings of the place where a job runs, so they are no
parameters: a command line and a step's record are for all to read. Keys are not read here, only
looked for.
Source: AWS SDKs and Tools Reference Guide, "Service-specific endpoints", "Shared config and
credentials files" and "Standardized credential providers".
"""

import configparser
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from pipelines.errors import ParameterError

_ENDPOINTS = ("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL")
_REGIONS = ("AWS_REGION", "AWS_DEFAULT_REGION")
_KEYS = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")
# roles of a container or of a service account
_ROLES = (
    "AWS_WEB_IDENTITY_TOKEN_FILE",
    "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
    "AWS_CONTAINER_CREDENTIALS_FULL_URI",
)
_ANY_REGION = "us-east-1"  # what other servers than Amazon's take


@dataclass(frozen=True, slots=True)
class AwsSettings:
    """Server of S3 and where its keys are.

    Attributes:
        endpoint: ``scheme://host:port``; empty for Amazon's own.
        region: For signatures; of no meaning where ``endpoint`` is empty.
        keys: Where keys are, in words; empty if none were found. A machine of Amazon's may have a
            role all the same.
        looked_at: Where keys were looked for, in words.
    """

    endpoint: str
    region: str
    keys: str
    looked_at: str

    @property
    def server(self) -> str:
        """The server in words."""
        return self.endpoint or "Amazon's S3 (AWS_ENDPOINT_URL names no other server)"


def aws_settings(environment: Mapping[str, str]) -> AwsSettings:
    """Read the settings of AWS's tools from an environment and the files that it names.

    Raises:
        ParameterError: A file can't be read, or an endpoint is no address.
    """
    profile = environment.get("AWS_PROFILE") or environment.get("AWS_DEFAULT_PROFILE") or "default"
    home = Path(environment.get("HOME") or "/nonexistent") / ".aws"
    config = Path(environment.get("AWS_CONFIG_FILE") or home / "config")
    shared = Path(environment.get("AWS_SHARED_CREDENTIALS_FILE") or home / "credentials")
    sections = _read(config)
    settings = sections.get(f"profile {profile}") or sections.get(profile) or {}
    keys = ""
    if all(environment.get(name) for name in _KEYS):
        keys = " and ".join(_KEYS)
    elif "aws_access_key_id" in _read(shared).get(profile, {}):
        keys = f"profile {profile!r} of {shared}"
    elif settings.keys() & {"aws_access_key_id", "role_arn", "credential_process", "sso_session"}:
        keys = f"profile {profile!r} of {config}"
    elif roles := [name for name in _ROLES if environment.get(name)]:
        keys = roles[0]
    endpoint = _endpoint(environment, settings, sections)
    region = [environment.get(name, "") for name in _REGIONS] + [settings.get("region", "")]
    return AwsSettings(
        endpoint=_checked(endpoint) if endpoint else "",
        region=next(filter(None, region), _ANY_REGION),
        keys=keys,
        looked_at=f"{' and '.join(_KEYS)}, profile {profile!r} of {shared} and of {config}",
    )


def _read(path: Path) -> dict[str, dict[str, str]]:
    parser = configparser.RawConfigParser(default_section="\0", strict=False)
    try:
        parser.read(path)
    except (configparser.Error, OSError, UnicodeDecodeError) as error:
        # not the parser's words: they quote the line, which may hold a key
        raise ParameterError(
            f"expected settings of AWS's tools in {path}; it can't be read "
            f"({type(error).__name__}). Correct it"
        ) from None
    return {name: dict(parser[name]) for name in parser.sections()}


def _endpoint(
    environment: Mapping[str, str], settings: Mapping[str, str], sections: dict[str, dict[str, str]]
) -> str:
    ignored = environment.get("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS") or settings.get(
        "ignore_configured_endpoint_urls", ""
    )
    if ignored.lower() == "true":
        return ""
    services = sections.get(f"services {settings.get('services', '')}", {})
    nested = (line.partition("=") for line in services.get("s3", "").splitlines())
    of_service = {name.strip(): value.strip() for name, _, value in nested}
    found = [environment.get(name, "") for name in _ENDPOINTS]
    found += [of_service.get("endpoint_url", ""), settings.get("endpoint_url", "")]
    return next(filter(None, found), "")


def _checked(endpoint: str) -> str:
    parts = urlsplit(endpoint)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.path not in ("", "/"):
        raise ParameterError(
            "expected the address of an S3 server (AWS_ENDPOINT_URL), like https://host:9000; got "
            f"{parts.scheme!r} as scheme, {parts.hostname!r} as host and {parts.path!r} after them"
        )
    if parts.username or parts.password:
        raise ParameterError(
            "expected no keys in the address of an S3 server (AWS_ENDPOINT_URL); it has some. "
            f"Set {' and '.join(_KEYS)}, or a profile"
        )
    return f"{parts.scheme}://{parts.netloc}"
