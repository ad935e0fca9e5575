"""Airflow's pages as a person sees them: log in, and wait until all of a page is there."""

from tests.airflow_service import Airflow
from tests.browser import Browser

# grey bars that pulse where rows are still to come; Chakra keeps their class when they have come
_LOADED = """[...document.querySelectorAll('.chakra-skeleton')].every(
    (bar) => getComputedStyle(bar).animationName !== 'pulse')"""


def log_in(page: Browser, service: Airflow) -> None:
    """Log in on the page as a person does."""
    page.open(service.url)
    page.wait_for("document.querySelector('input[name=username]')")
    page.type_into("input[name=username]", "admin")
    page.type_into("input[name=password]", service.password)
    page.evaluate("document.querySelector('button[type=submit]').click()")
    page.wait_for("location.pathname == '/' && document.body.innerText.includes('Assets')")


def wait_until_loaded(page: Browser) -> None:
    """Wait until no placeholder of what is still to come is on the page."""
    page.wait_for(_LOADED)
