"""What people write becomes plain text."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bots.slack.text import find_mentions, read_text

BOT = "UBOT"
NAMES = {"UADA": "Ada"}


@pytest.mark.parametrize(
    ("raw", "text"),
    [
        ("<@UBOT> hello", "hello"),
        ("<@UBOT>: hello", "hello"),
        ("<@UBOT|skein>, <@UBOT> hello", "hello"),
        ("hey <@UBOT> what now?", "hey what now?"),
        ("what do you think <@UBOT>?", "what do you think?"),
        ("<@UBOT>", ""),
        ("  <@UBOT>\n", ""),
        ("ask <@UADA> and <@UBEN> or <@UCEE|cee>", "ask @Ada and @UBEN or @cee"),
        ("in <#C1|general> or <#C2>", "in #general or #C2"),
        ("<!here> <!channel> <!subteam^S1|@devs> <!subteam^S2>", "@here @channel @devs @subteam"),
        ("<!date^1392734382^{date}|Feb 18>", "Feb 18"),
        ("see <https://a.b/c>", "see https://a.b/c"),
        ("see <https://a.b/c|https://a.b/c> <http://a.b|a.b>", "see https://a.b/c a.b"),
        ("see <https://a.b/c?x=1&amp;y=2|the page>", "see the page (https://a.b/c?x=1&y=2)"),
        ("write <mailto:x@y.z|x@y.z>", "write x@y.z"),
        ("1 &lt; 2 &amp;&amp; 3 &gt; 2", "1 < 2 && 3 > 2"),
        ("&amp;lt; stays", "&lt; stays"),
        ("&lt;@UBOT&gt; is no mention", "<@UBOT> is no mention"),
    ],
)
def test_text_is_read_as_people_see_it(raw: str, text: str) -> None:
    assert read_text(raw, NAMES, BOT) == text


def test_mentions_are_listed_once_and_in_order() -> None:
    assert find_mentions("<@U2> <@U1|ada> <@U2> &lt;@U3&gt;") == ("U2", "U1")


@given(st.text(alphabet="<>@!#|^&;ltgamp UBOT1\n"))
def test_no_text_is_too_odd_to_be_read(raw: str) -> None:
    assert "<@UBOT>" not in read_text(raw.replace("&", ""), NAMES, BOT)
