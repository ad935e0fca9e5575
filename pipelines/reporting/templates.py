"""Open a page's template: what is put into it is escaped, and what is missing is an error."""

import base64
from collections.abc import Callable
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined, Template


def open_template(name: str, **filters: Callable[..., Any]) -> Template:
    """Give the template ``name`` of this room, which may use ``filters``.

    ``head.html`` is the beginning of every page: it lets nothing be fetched from elsewhere.
    """
    environment = Environment(
        loader=PackageLoader("pipelines.reporting", "."),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= filters
    return environment.get_template(name)


def png_uri(content: bytes) -> str:
    """Give the address of a PNG that lies inside of the page."""
    return "data:image/png;base64," + base64.b64encode(content).decode()
