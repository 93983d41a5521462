"""Text that notifies nobody: what Slack would turn into a ping is broken by an invisible character. Pure.

Both rules only ever put a character in front of what follows, so that the beginning of a growing
text stays what it was: a stream can only be appended to.
"""

from __future__ import annotations

import re

ZERO_WIDTH_SPACE = "\u200b"

# Slack reads its <...> tokens in Markdown, too. Other uses of `<!`, as in HTML, are left whole.
_TOKEN = re.compile(r"(<!(?:channe|her|everyon|grou|subtea))(?=[a-z])|<(?=@)", re.IGNORECASE)
_NAME = re.compile(r"(?<![\w/.])(@(?:channe(?=l)|her(?=e)|everyon(?=e)))", re.IGNORECASE)


def hush(text: str) -> str:
    """Break `<!channel>`, `<!here>`, `<!everyone>`, `<!subteam^...>`, `<@user>` and their like."""
    return _TOKEN.sub(lambda match: match[0] + ZERO_WIDTH_SPACE, hush_names(text))


def hush_names(text: str) -> str:
    """Break `@channel`, `@here` and `@everyone`, which some clients and settings link."""
    return _NAME.sub(lambda match: match[0] + ZERO_WIDTH_SPACE, text)


def hush_url(url: str) -> str:
    """Break the same names in an address, which must go on to work."""
    return _NAME.sub(lambda match: "%40" + match[0][1:], url)
