"""Turns text written by a model into HTML that can do nothing: no image, no link, no style, no request.

Called for every answer shown. Text of a model may repeat what a hostile document told it to say, so it is rendered here
and not in the browser: raw HTML is shown as text, images and links become their words with the address beside them, and
what comes out passes a second, independent sanitiser with a short list of tags.
"""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import TYPE_CHECKING, Any

import nh3
from markdown_it import MarkdownIt
from markdown_it.renderer import RendererHTML
from markupsafe import Markup

if TYPE_CHECKING:
    from markdown_it.token import Token
    from markdown_it.utils import EnvType, OptionsDict

TAGS = frozenset((
    *("p", "br", "hr", "strong", "em", "s", "code", "pre", "blockquote", "ul", "ol", "li", "span"),
    *("h3", "h4", "h5", "h6", "table", "thead", "tbody", "tr", "th", "td"),
))  # fmt: skip


class _Inert(RendererHTML):
    """Renders links and images as their words and their address, and headings below those of the page."""

    def link_open(self, tokens: Sequence[Token], idx: int, options: OptionsDict, env: EnvType) -> str:
        is_bare = tokens[idx].markup == "autolink"
        env.setdefault("addresses", []).append("" if is_bare else str(tokens[idx].attrGet("href") or ""))
        return ""

    def link_close(self, tokens: Sequence[Token], idx: int, options: OptionsDict, env: EnvType) -> str:
        return _address(env["addresses"].pop())

    def image(self, tokens: Sequence[Token], idx: int, options: OptionsDict, env: EnvType) -> str:
        return escape(tokens[idx].content) + _address(str(tokens[idx].attrGet("src") or ""))

    def heading_open(self, tokens: Sequence[Token], idx: int, options: OptionsDict, env: EnvType) -> str:
        return f"<{_lowered(tokens[idx].tag)}>"

    def heading_close(self, tokens: Sequence[Token], idx: int, options: OptionsDict, env: EnvType) -> str:
        return f"</{_lowered(tokens[idx].tag)}>\n"


def _address(address: str) -> str:
    return f' <span class="address">{escape(address)}</span>' if address else ""


def _lowered(tag: str) -> str:
    return f"h{min(6, int(tag[1]) + 2)}"


def _parser() -> MarkdownIt:
    parser = MarkdownIt("commonmark", {"html": False, "linkify": False}, renderer_cls=_Inert)
    return parser.enable(["table", "strikethrough"])


def render(text: str) -> Markup:
    """The HTML of a text in Markdown."""
    return Markup("").join(blocks(text))


def blocks(text: str) -> list[Markup]:
    """The same, cut into its paragraphs, lists and other outermost blocks, so that only what changed is sent again."""
    parser = _parser()
    environment: dict[str, Any] = {}
    found, group = [], []
    for token in parser.parse(text, environment):
        group.append(token)
        if token.level == 0 and token.nesting <= 0:
            found.append(_clean(parser.renderer.render(group, parser.options, environment)))
            group = []
    return found


def _clean(html: str) -> Markup:
    clean = nh3.clean(
        html,
        tags=set(TAGS),
        attributes={},
        allowed_classes={"span": {"address"}},
        url_schemes=set(),
        strip_comments=True,
    )
    return Markup(clean)  # noqa: S704  the sanitiser's output
