"""Settings of AWS's tools, from an environment and the files that it names."""

from pathlib import Path

import pytest

from pipelines.errors import ParameterError
from pipelines.storage.aws import aws_settings

CONFIG = """
[default]
region = eu-north-1
[profile team]
endpoint_url = http://team:9000
region = eu-west-1
role_arn = arn:aws:iam::1:role/reader
[profile nested]
services = ours
endpoint_url = http://all:9000
[services ours]
dynamodb =
  endpoint_url = http://other:9000
s3 =
  endpoint_url = http://nested:9000/
[profile off]
endpoint_url = http://off:9000
ignore_configured_endpoint_urls = true
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / ".aws").mkdir()
    (tmp_path / ".aws" / "config").write_text(CONFIG)
    (tmp_path / ".aws" / "credentials").write_text("[default]\naws_access_key_id = x\n")
    return tmp_path


@pytest.mark.parametrize(
    ("environment", "endpoint", "region"),
    [
        ({}, "", "eu-north-1"),
        ({"AWS_ENDPOINT_URL": "https://a:1/"}, "https://a:1", "eu-north-1"),
        ({"AWS_ENDPOINT_URL": "http://a", "AWS_ENDPOINT_URL_S3": "http://b"}, "http://b", None),
        ({"AWS_ENDPOINT_URL": "", "AWS_PROFILE": "team"}, "http://team:9000", "eu-west-1"),
        ({"AWS_DEFAULT_PROFILE": "team", "AWS_REGION": "r"}, "http://team:9000", "r"),
        ({"AWS_PROFILE": "nested"}, "http://nested:9000", "us-east-1"),
        ({"AWS_PROFILE": "nested", "AWS_ENDPOINT_URL": "http://a"}, "http://a", None),
        ({"AWS_PROFILE": "off"}, "", "us-east-1"),
        ({"AWS_PROFILE": "team", "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS": "true"}, "", "eu-west-1"),
        ({"AWS_DEFAULT_REGION": "d", "AWS_REGION": "r"}, "", "r"),
    ],
)
def test_the_server_and_region_are_those_of_awss_tools(
    folder: Path, environment: dict[str, str], endpoint: str, region: str | None
) -> None:
    found = aws_settings({"HOME": str(folder), **environment})
    assert found.endpoint == endpoint
    assert region in (None, found.region)


@pytest.mark.parametrize(
    ("environment", "keys"),
    [
        ({}, "profile 'default' of {}/.aws/credentials"),
        (
            {"AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "b"},
            "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY",
        ),
        ({"AWS_PROFILE": "team", "AWS_ACCESS_KEY_ID": "a"}, "profile 'team' of {}/.aws/config"),
        ({"AWS_PROFILE": "off", "AWS_WEB_IDENTITY_TOKEN_FILE": "f"}, "AWS_WEB_IDENTITY_TOKEN_FILE"),
        ({"AWS_PROFILE": "off"}, ""),
        ({"AWS_SHARED_CREDENTIALS_FILE": "/none"}, ""),
    ],
)
def test_where_keys_are_is_found(folder: Path, environment: dict[str, str], keys: str) -> None:
    found = aws_settings({"HOME": str(folder), **environment})
    assert found.keys == keys.format(folder)


@pytest.mark.parametrize(
    ("endpoint", "message"),
    [
        ("localhost:9000", "got 'localhost' as scheme"),
        ("ftp://host", "got 'ftp' as scheme"),
        ("http://", "None as host"),
        ("http://host/path", "'/path' after them"),
        ("http://AKX:hidden" + "@host", "expected no keys in the address"),
    ],
)
def test_an_address_that_is_none_is_refused(endpoint: str, message: str) -> None:
    with pytest.raises(ParameterError, match=message) as raised:
        aws_settings({"AWS_ENDPOINT_URL": endpoint})
    assert "hidden" not in str(raised.value)


def test_a_broken_file_is_named_and_not_shown(folder: Path) -> None:
    (folder / ".aws" / "credentials").write_text("aws_secret_access_key = hidden\n")
    with pytest.raises(ParameterError, match=r"in .*credentials; it can't be read") as raised:
        aws_settings({"HOME": str(folder)})
    assert "hidden" not in str(raised.value)
