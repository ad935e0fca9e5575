"""Data Docs that open without a network, tell nobody that they were opened, and show data as text.

The stock pages fetch styles, scripts and icons from several hosts, so without internet access the
status of a check can't be seen and the index is empty; their logo is fetched with the project's id.
They also put sampled values into the page unescaped, where a value like ``<script>`` would run.
Contents are Great Expectations' own; the frame around them comes from the templates beside this
file, which need no other file.
"""

from html import escape
from typing import Any, ClassVar

from great_expectations.render.view.view import DefaultJinjaPageView
from jinja2 import ChoiceLoader, PackageLoader, pass_context


class OfflinePageView(DefaultJinjaPageView):
    """A page of the index, of a suite or of a validation result."""

    _template: ClassVar[str] = "offline_page.j2"

    def __init__(
        self, custom_styles_directory: str | None = None, custom_views_directory: str | None = None
    ) -> None:
        super().__init__(custom_styles_directory, custom_views_directory)
        stock: Any = self.env.loader
        self.env.loader = ChoiceLoader([PackageLoader("pipelines.quality.pages", "."), stock])

    @pass_context
    def render_content_block(
        self,
        jinja_context: Any,
        content_block: Any,
        index: Any = None,
        content_block_id: Any = None,
        render_to_markdown: bool = False,  # noqa: FBT001, FBT002  the same
    ) -> Any:
        """Render a block as stock does, and whatever is not a block as escaped text."""
        block = _as_text(content_block)
        return super().render_content_block(
            jinja_context, block, index, content_block_id, render_to_markdown
        )


def _as_text(content: Any) -> Any:
    if content is None or (isinstance(content, dict) and "content_block_type" in content):
        return content
    if isinstance(content, list):
        return [_as_text(item) for item in content]
    return escape(str(content))
