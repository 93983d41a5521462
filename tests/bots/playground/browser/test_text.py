"""Text on the page: drawn as its platform draws it, never as markup of the page."""

from __future__ import annotations

import asyncio

import pytest
from playwright.async_api import Page, expect

from tests.bots.playground.browser_kit import last_body, view
from tests.bots.playground.page_kit import Stage

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest.mark.parametrize("platform", ["slack", "discord"])
@pytest.mark.parametrize("text_format", ["markdown", "mrkdwn"])
async def test_text_never_becomes_markup(
    page: Page, stage: Stage, platform: str, text_format: str
) -> None:
    simulation = getattr(stage, platform)
    bad = '<img src=x onerror="document.title=1"> [x](javascript:alert(1)) <javascript:1|y>'
    simulation.post("C1", bad, format=text_format)
    simulation.post("C1", f"`{bad}`\n# {bad}\n- {bad}\n| {bad} | b |\n|--|--|\n| {bad} | c |")
    await expect(view(page, platform).locator(".message")).to_have_count(2)
    await expect(view(page, platform).locator(".body img, .body script")).to_have_count(0)
    await expect(view(page, platform).locator(".body a")).to_have_count(0)
    assert await page.title() == "Skein playground"


MARKDOWN = """# Title
Some **bold**, *italic*, ~~gone~~, `x < y` and [a link](https://example.org/a_(b)).
snake_case_name and 2 * 3 * 4 stay, <@U2> is named.

- one
  1. inner
- two

> quoted

| a | b |
|---|--:|
| 1 | `2|` |

```python
if a < b: **no**
```"""


async def test_markdown_is_drawn(page: Page, stage: Stage) -> None:
    stage.slack.post("C1", MARKDOWN)
    body = last_body(page)
    await expect(body.locator("h3")).to_have_text("Title")
    await expect(body.locator("strong")).to_have_text("bold")
    await expect(body.locator("em")).to_have_text("italic")
    await expect(body.locator("s")).to_have_text("gone")
    await expect(body.locator("p code")).to_have_text("x < y")
    await expect(body.locator("a")).to_have_attribute("href", "https://example.org/a_(b)")
    await expect(body).to_contain_text("snake_case_name and 2 * 3 * 4 stay")
    await expect(body.locator(".mention")).to_have_text("@Grace")
    await expect(body.locator("ul > li")).to_have_count(2)
    await expect(body.locator("ul ol li")).to_have_text("inner")
    await expect(body.locator("blockquote")).to_have_text("quoted")
    await expect(body.locator("th")).to_have_text(["a", "b"])
    await expect(body.locator("pre")).to_have_text("if a < b: **no**")


async def test_discord_shows_tables_as_text(page: Page, stage: Stage) -> None:
    stage.discord.post("C1", "| a | b |\n|---|---|\n| 1 | 2 |")
    await expect(last_body(page, "discord")).to_contain_text("| a | b |")
    await expect(last_body(page, "discord").locator("table")).to_have_count(0)


async def test_mrkdwn_is_drawn(page: Page, stage: Stage) -> None:
    text = (
        "*bold _both_* ~gone~ `a &lt; b` &amp;c\n&gt; quoted\n<https://example.org|*there*> "
        "<@U1> <#C2|random> <!here>\n```\n*code*\n```"
    )
    stage.slack.post("C1", text, format="mrkdwn")
    body = last_body(page)
    await expect(body.locator("strong").first).to_have_text("bold both")
    await expect(body.locator("em")).to_have_text("both")
    await expect(body.locator("s")).to_have_text("gone")
    await expect(body.locator("p code")).to_have_text("a < b")
    await expect(body).to_contain_text("&c")
    await expect(body.locator("blockquote")).to_have_text("quoted")
    await expect(body.locator("a")).to_have_attribute("href", "https://example.org")
    await expect(body.locator(".mention")).to_have_text(["@Ada", "#random", "@here"])
    await expect(body.locator("pre")).to_have_text("*code*")


CUT_ANYWHERE = """async (text) => {
  const { markdown } = await import("/static/format/markdown.js");
  const { mrkdwn } = await import("/static/format/mrkdwn.js");
  const context = { nameOf: (id) => id, channelOf: (id) => id, isDiscord: false };
  const lost = [];
  for (let end = 0; end <= text.length; end += 1) {
    for (const render of [markdown, mrkdwn]) {
      const box = document.createElement("div");
      box.append(...render(text.slice(0, end), context));
      const words = text.slice(0, end).match(/[a-z]{3,}(?=[ .])/g) ?? [];
      if (words.some((word) => !box.textContent.includes(word))) lost.push(end);
    }
  }
  return lost;
}"""


async def test_text_cut_anywhere_loses_no_word(page: Page) -> None:
    text = MARKDOWN.replace("https://example.org/", "https://e/").replace("```python", "```")
    assert await page.evaluate(CUT_ANYWHERE, text) == []


DEEP = """async () => {
  const { markdown } = await import("/static/format/markdown.js");
  const { mrkdwn } = await import("/static/format/mrkdwn.js");
  const context = { nameOf: (id) => id, channelOf: (id) => id, isDiscord: false };
  for (const piece of ["> ", "- ", "*a* ", "*_~", "[", "`", "<", "**a ", "|a", "[a]("]) {
    for (const render of [markdown, mrkdwn]) render(piece.repeat(4000) + "x", context);
  }
}"""


async def test_malicious_text_is_drawn_in_bounded_time(page: Page) -> None:
    async with asyncio.timeout(20):
        await page.evaluate(DEEP)
