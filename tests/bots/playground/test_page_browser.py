"""The page in a real browser, over simulations in memory."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from playwright.async_api import Browser, FilePayload, Locator, Page, expect

from bots.playground.base import Fault
from tests.bots.playground.browser_kit import open_browser, open_page
from tests.bots.playground.page_kit import Stage, serve_stage, stored
from tests.core.files.samples import make_image

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def browser() -> AsyncIterator[Browser]:
    async with open_browser() as browser:
        yield browser


@pytest_asyncio.fixture(loop_scope="module")
async def stage() -> AsyncIterator[Stage]:
    async with serve_stage(model="demo/echo", notice="A demo model answers.") as stage:
        yield stage


@pytest_asyncio.fixture(loop_scope="module")
async def page(browser: Browser, stage: Stage) -> AsyncIterator[Page]:
    async with open_page(browser, stage.url) as page:
        yield page


def view(page: Page, platform: str = "slack") -> Locator:
    """The main view of a platform."""
    return page.locator(f".{platform} .view:not(.thread-view)")


def thread(page: Page) -> Locator:
    """The pane of a Slack thread."""
    return page.locator(".slack .thread-view")


def composer(page: Page, platform: str = "slack") -> Locator:
    return view(page, platform).get_by_role("textbox")


def last_body(page: Page, platform: str = "slack") -> Locator:
    return view(page, platform).locator(".message .body").last


# To begin with


async def test_newcomer_sees_what_to_do_and_who_answers(page: Page) -> None:
    await expect(page.locator("#notice")).to_have_text("A demo model answers.")
    for platform in ("slack", "discord"):
        await expect(view(page, platform).locator(".empty")).to_contain_text("Mention @skein")
        await expect(view(page, platform).locator(".try").first).to_have_text("Say hello")
        await expect(page.locator(f".panel.{platform} .connection")).to_have_text(
            "skein is connected"
        )


async def test_one_click_says_hello(page: Page, stage: Stage) -> None:
    await view(page).locator(".try").first.click()
    await expect(last_body(page)).to_contain_text("@skein hello!")
    (message,) = stage.slack.messages.values()
    assert message["author"] == "U1"


# Messages


async def test_answer_opens_its_thread_and_grows_there(page: Page, stage: Stage) -> None:
    await composer(page).fill("@skein hello")
    await composer(page).press("Enter")
    await expect(last_body(page)).to_have_text("@skein hello")
    question = next(iter(stage.slack.messages))
    answer = stage.slack.post("C1", "Hel", thread=question, is_streaming=True)
    await expect(thread(page).locator(".is-streaming .body")).to_have_text("Hel")
    stage.slack.change(answer, text="Hello **Ada**", is_streaming=False)
    await expect(thread(page).locator(".body strong")).to_have_text("Ada")
    await expect(thread(page).locator(".is-streaming")).to_have_count(0)
    await expect(thread(page).get_by_role("textbox")).to_be_focused()


async def test_follow_up_stays_in_the_thread(page: Page, stage: Stage) -> None:
    root = stage.slack.post("C1", "hello <@B1>", author="U1")
    stage.slack.post("C1", "Hello", thread=root["id"])
    await view(page).get_by_role("button", name="1 reply").click()
    await page.keyboard.type("and what did I say?")
    await page.keyboard.press("Enter")
    await expect(thread(page).locator(".body").last).to_have_text("and what did I say?")
    assert list(stage.slack.messages.values())[-1]["thread"] == root["id"]
    await page.keyboard.press("Escape")
    await expect(thread(page)).to_be_hidden()
    await expect(view(page).locator(".replies b")).to_have_text("2 replies")


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


async def test_ephemeral_message_is_seen_by_one_person(page: Page, stage: Stage) -> None:
    stage.slack.post("C1", "psst", visible_to="U1")
    await expect(view(page).locator(".is-private")).to_contain_text("Only visible to you")
    await view(page).get_by_role("radio", name="Grace").click()
    await expect(view(page).locator(".message")).to_have_count(0)


async def test_deleted_message_goes(page: Page, stage: Stage) -> None:
    message = stage.discord.post("C1", "oops")
    await expect(view(page, "discord").locator(".message")).to_have_count(1)
    stage.discord.delete(message)
    await expect(view(page, "discord").locator(".message")).to_have_count(0)


async def test_discord_reply_names_its_message(page: Page, stage: Stage) -> None:
    message = stage.discord.post("C1", "which one?")
    await view(page, "discord").locator(".message").hover()
    await view(page, "discord").get_by_role("button", name="Reply", exact=True).click()
    await page.keyboard.type("this one")
    await page.keyboard.press("Enter")
    await expect(view(page, "discord").locator(".reference button")).to_have_text(
        "skein which one?"
    )
    assert list(stage.discord.messages.values())[-1]["reply_to"] == message["id"]


async def test_status_shows_until_the_answer_comes(page: Page, stage: Stage) -> None:
    stage.discord.show_status("C1", "skein is typing…")
    await expect(view(page, "discord").locator(".status")).to_have_text("skein is typing…")
    stage.discord.post("C1", "done")
    await expect(view(page, "discord").locator(".status")).to_be_empty()


async def test_buttons_and_choices_act(page: Page, stage: Stage) -> None:
    offers = [
        {"id": "yes", "label": "Yes", "options": []},
        {"id": "which", "label": "Which?", "options": ["first", "second"]},
    ]
    message = stage.slack.post("C1", "Sure?", actions=offers)
    async with page.expect_response("**/actions"):
        await view(page).get_by_role("button", name="Yes").click()
    async with page.expect_response("**/actions"):
        await view(page).get_by_role("combobox", name="Which?").select_option("second")
    assert stage.slack.acted == [
        ("U1", message["id"], "yes", ""),
        ("U1", message["id"], "which", "second"),
    ]


# Commands


async def test_command_and_its_choice_are_completed_by_keyboard(page: Page, stage: Stage) -> None:
    await composer(page, "discord").press_sequentially("/m")
    option = view(page, "discord").get_by_role("option")
    await expect(option).to_contain_text(["/model [name]"])
    await page.keyboard.press("Enter")
    await expect(option).to_contain_text(["demo/echo", "demo/slow", "openai/gpt-4o"])
    await page.keyboard.press("ArrowDown")
    await page.keyboard.press("Tab")
    await expect(composer(page, "discord")).to_have_value("/model demo/slow")
    await page.keyboard.press("Enter")
    await expect(last_body(page, "discord")).to_have_text("model done")
    assert stage.discord.commanded == [("U1", "C1", "model", "demo/slow", "")]


async def test_one_click_lists_all_commands(page: Page) -> None:
    await view(page).get_by_role("button", name="/ commands").click()
    await expect(view(page).get_by_role("option").first).to_contain_text("/")
    await page.keyboard.press("Escape")
    await expect(view(page).get_by_role("option")).to_have_count(0)


async def test_mention_is_completed(page: Page) -> None:
    await composer(page).press_sequentially("hello @sk")
    await expect(view(page).get_by_role("option")).to_have_count(1)
    await page.keyboard.press("Tab")
    await expect(composer(page)).to_have_value("hello @skein ")


async def test_slack_refuses_commands_in_threads_in_its_own_words(page: Page, stage: Stage) -> None:
    root = stage.slack.post("C1", "hello", author="U1")
    stage.slack.post("C1", "Hello", thread=root["id"])
    await view(page).get_by_role("button", name="1 reply").click()
    await page.keyboard.type("/clear")
    await page.keyboard.press("Enter")
    note = thread(page).locator(".note")
    await expect(note).to_contain_text("/clear is not supported in threads. Sorry!")
    await expect(note).to_contain_text("Only visible to you")


async def test_refused_message_is_told_and_kept(page: Page, stage: Stage) -> None:
    stage.slack.channels = [each for each in stage.slack.channels if each["id"] != "C1"]
    await composer(page).fill("hello")
    await page.keyboard.press("Enter")
    await expect(page.locator(".toast")).to_have_text("Slack: there is no channel 'C1'")
    await expect(composer(page)).to_have_value("hello")


# Finding one's way


async def test_unread_messages_are_counted_until_they_are_seen(page: Page, stage: Stage) -> None:
    for number in range(3):
        stage.slack.post("C2", f"news {number}")
    place = page.locator(".slack .place", has_text="random")
    await expect(place.locator(".badge")).to_have_text("3")
    await place.click()
    await expect(place.locator(".badge")).to_have_count(0)
    await expect(view(page).locator(".divider")).to_have_text("New")


async def test_view_stays_at_the_end_unless_the_reader_went_up(page: Page, stage: Stage) -> None:
    for number in range(40):
        stage.slack.post("C1", f"line {number}")
    await expect(last_body(page)).to_be_in_viewport()
    await view(page).locator(".messages").evaluate("list => list.scrollTop = 0")
    await expect(view(page).locator(".body").first).to_be_in_viewport()
    stage.slack.post("C1", "the newest")
    await expect(view(page).locator(".body").first).to_be_in_viewport()
    await view(page).get_by_role("button", name="New messages").click()
    await expect(last_body(page)).to_have_text("the newest")
    await expect(last_body(page)).to_be_in_viewport()


async def test_page_opens_at_the_end_of_a_long_conversation(browser: Browser, stage: Stage) -> None:
    for number in range(60):
        stage.discord.post("C1", f"{number}: " + "some words " * 20)
    async with open_page(browser, stage.url) as page:
        await expect(last_body(page, "discord")).to_be_in_viewport()
        await page.locator("#behind-button").click()
        await expect(last_body(page, "discord")).to_be_in_viewport()
        await page.set_viewport_size({"width": 1024, "height": 600})
        await expect(last_body(page, "discord")).to_be_in_viewport()


async def test_growing_answer_stays_in_view(page: Page, stage: Stage) -> None:
    message = stage.slack.post("C1", "", is_streaming=True)
    await stage.slack.stream(message, "\n\n".join(f"line {number}" for number in range(80)))
    await expect(last_body(page).locator("p").last).to_be_in_viewport()


async def test_places_are_reached_by_a_few_letters(page: Page) -> None:
    await page.keyboard.press("Control+k")
    await page.keyboard.type("ran")
    await expect(page.locator("#jump").get_by_role("option")).to_have_count(2)
    await page.keyboard.press("ArrowDown")
    await page.keyboard.press("Enter")
    await expect(view(page, "discord").locator("h2")).to_have_text("#random")
    await expect(composer(page, "discord")).to_be_focused()


async def test_places_are_reached_by_arrow_keys(page: Page) -> None:
    await page.locator(".slack .place[aria-current]").focus()
    await page.keyboard.press("ArrowDown")
    await page.keyboard.press("Enter")
    await expect(view(page).locator("h2")).to_have_text("#random")


async def test_direct_message_belongs_to_its_person(page: Page, stage: Stage) -> None:
    await page.locator(".discord .place.dm", has_text="Grace").click()
    await expect(view(page, "discord").get_by_role("radio")).to_have_text(["GGrace"])
    await page.keyboard.type("hello")
    await page.keyboard.press("Enter")
    await expect(last_body(page, "discord")).to_have_text("hello")
    assert list(stage.discord.messages.values())[-1]["author"] == "U2"


async def test_new_discord_thread_stands_below_its_channel(page: Page, stage: Stage) -> None:
    stage.discord.add_channel({"id": "T1", "name": "sailing", "kind": "thread", "parent": "C1"})
    await page.locator(".discord .place.thread").click()
    await expect(view(page, "discord").locator("h2")).to_have_text("sailing")
    await page.keyboard.press("Escape")
    await expect(view(page, "discord").locator("h2")).to_have_text("#general")


async def test_everything_is_reached_by_tab(page: Page, stage: Stage) -> None:
    stage.slack.post("C1", "hello", author="U1")
    await expect(view(page).locator(".message")).to_have_count(1)
    await page.locator(".brand").focus()
    reached: set[str] = set()
    for _ in range(60):
        await page.keyboard.press("Tab")
        reached.add(await page.evaluate("document.activeElement.className.split(' ')[0]"))
        assert await page.evaluate(
            "document.activeElement === document.body "
            "|| getComputedStyle(document.activeElement).outlineStyle !== 'none' "
            "|| document.activeElement.closest('.composer') !== null"
        )
    assert reached >= {"quiet", "place", "message", "try", "send"}


# Behind the scenes


async def test_conversation_shows_what_is_remembered(browser: Browser, stage: Stage) -> None:
    stage.memory.conversation = stored(
        ("user", "old", False), ("assistant", "older", False), ("user", "new", True)
    )
    async with open_page(browser, stage.url) as page:
        panel = page.locator("#tabpanel-conversation")
        await expect(panel.locator(".stored-list .stored p")).to_have_text(["old", "older", "new"])
        await expect(panel.locator(".unsent")).to_have_count(2)
        await expect(panel.locator(".facts")).to_contain_text("1 of 3,")
        await page.locator(".discord .place", has_text="random").click()
        await expect(page.locator(".panel.discord")).to_have_class("panel discord is-focused")
        stage.memory.conversation = None
        stage.discord.post("C2", "something happened")
        await expect(panel).to_contain_text("Nothing is stored for this place yet")
    assert stage.memory.asked[0]["platform"] == "slack"
    assert stage.memory.asked[-1] == {
        "platform": "discord",
        "workspace": "W1",
        "channel": "C2",
        "parent": "",
        "thread": "",
    }


async def test_what_goes_along_with_the_next_question_is_told(page: Page, stage: Stage) -> None:
    stage.memory.conversation = stored(
        ("user", "old", False),
        ("user", "new", True),
        summary="Ada sails.",
        pins=("The boat leaves on Friday",),
    )
    stage.slack.post("C1", "something happened")
    panel = page.locator("#tabpanel-conversation")
    await expect(panel.locator(".facts")).to_contain_text("1 of 2, about 42 of 28,672 tokens")
    await expect(panel.locator(".facts")).to_contain_text("512 tokens, $0.02")
    await expect(panel.locator(".summary")).to_contain_text("Ada sails.")
    await expect(panel.locator(".pins")).to_contain_text("The boat leaves on Friday")
    await expect(panel.locator(".unsent .flag")).to_have_text("in the summary")


async def test_opened_thread_is_the_one_that_is_shown(page: Page, stage: Stage) -> None:
    root = stage.slack.post("C1", "hello", author="U1")
    stage.slack.post("C1", "Hello", thread=root["id"])
    stage.memory.conversation = stored(("user", "hello", True))
    await view(page).get_by_role("button", name="1 reply").click()
    await expect(page.locator("#tabpanel-conversation .stored-list .stored")).to_have_count(1)
    assert stage.memory.asked[-1]["thread"] == root["id"]


async def test_calls_that_failed_stand_out(page: Page, stage: Stage) -> None:
    stage.slack.call("chat.postMessage", detail="text=hello")
    stage.slack.call("chat.update", 429, "ratelimited")
    stage.discord.call("POST /channels/1191168811600000010/messages", 500)
    stage.discord.deliver("MESSAGE_CREATE", "hello", attempt=2)
    tab = page.get_by_role("tab", name="API calls")
    await expect(tab).to_have_text("API calls2")
    await tab.click()
    rows = page.locator(".calls .row")
    await expect(rows).to_have_count(4)
    await expect(page.locator(".calls .problem")).to_have_count(2)
    await expect(page.locator(".calls .slow-down")).to_contain_text("429")
    await expect(rows.nth(2)).to_contain_text("POST /channels/…0010/messages")
    await page.get_by_role("button", name="Problems").click()
    await expect(page.locator(".calls .row:visible")).to_have_count(3)


async def test_trouble_is_made_on_the_platform_in_focus(page: Page, stage: Stage) -> None:
    await composer(page, "discord").click()
    await page.get_by_text("Make it hard").click()
    await page.get_by_role("button", name="429 for the next calls").click()
    await expect(page.locator(".toast")).to_contain_text("Discord: The next 3 calls")
    fault = stage.discord.faults.take("POST /channels/1/messages")
    assert isinstance(fault, Fault)
    assert fault.status == 429
    assert not stage.slack.faults.waiting


async def test_lost_bot_is_unmistakable(page: Page, stage: Stage) -> None:
    stage.slack.connect(False)
    connection = page.locator(".panel.slack .connection")
    await expect(connection).to_have_text("skein is not connected")
    stage.slack.connect(True)
    await expect(connection).to_have_text("skein is connected")


# Coming and going


async def test_page_survives_a_restart_of_the_server(browser: Browser) -> None:
    async with serve_stage() as stage:
        port = int(stage.url.rstrip("/").rpartition(":")[2])
        context = open_page(browser, stage.url)
        page = await context.__aenter__()
        await composer(page).fill("a draft")
    await expect(page.locator("#offline")).to_be_visible()
    async with serve_stage(port=port) as stage:
        stage.slack.post("C1", "said meanwhile")
        await expect(page.locator("#offline")).to_be_hidden(timeout=20_000)
        await expect(last_body(page)).to_have_text("said meanwhile")
        await expect(composer(page)).to_have_value("a draft")
        stage.slack.post("C1", "and live again")
        await expect(last_body(page)).to_have_text("and live again")
        await context.__aexit__(None, None, None)


async def test_reload_comes_back_to_the_same_place(page: Page, stage: Stage) -> None:
    root = stage.slack.post("C1", "hello", author="U1")
    stage.slack.post("C1", "Hello", thread=root["id"])
    await view(page).get_by_role("button", name="1 reply").click()
    await page.locator(".discord .place", has_text="random").click()
    await page.reload()
    await expect(thread(page).locator(".message")).to_have_count(2)
    await expect(view(page, "discord").locator("h2")).to_have_text("#random")


async def test_narrow_page_has_one_panel_at_a_time(browser: Browser, stage: Stage) -> None:
    async with open_page(browser, stage.url, (400, 800)) as page:
        await expect(page.locator(".panel.slack")).to_be_visible()
        await expect(page.locator(".panel.discord")).to_be_hidden()
        await page.get_by_role("button", name="Discord").click()
        await expect(page.locator(".panel.discord")).to_be_visible()
        await page.get_by_role("button", name="Behind").click()
        await expect(page.locator("#tabpanel-conversation")).to_be_visible()


async def test_places_stand_in_a_row_on_a_phone(browser: Browser, stage: Stage) -> None:
    async with open_page(browser, stage.url, (390, 844)) as page:
        await expect(page.locator(".slack .sidebar h3").first).to_be_hidden()
        row = await page.locator(".slack .sidebar").bounding_box()
        talk = await view(page).bounding_box()
        assert row
        assert talk
        assert row["height"] < 60
        assert talk["y"] >= row["y"] + row["height"]
        await page.locator(".slack .place", has_text="random").click()
        await expect(view(page).locator("h2")).to_have_text("#random")


@pytest.mark.parametrize("size", [(1440, 900), (1024, 768), (860, 700), (360, 640)])
async def test_nothing_sticks_out_of_the_window(
    browser: Browser, stage: Stage, size: tuple[int, int]
) -> None:
    stage.slack.post("C1", "word " * 200 + "x" * 500)
    stage.discord.post("C1", "```\n" + "x" * 500 + "\n```")
    async with open_page(browser, stage.url, size) as page:
        overflow = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
        assert await page.evaluate(overflow) <= 0
        height = "document.documentElement.scrollHeight - document.documentElement.clientHeight"
        assert await page.evaluate(height) <= 0
        await expect(composer(page)).to_be_in_viewport()


# Files


async def test_files_wait_below_the_text_and_go_along(page: Page, stage: Stage) -> None:
    chooser = view(page).locator("input[type=file]")
    await chooser.set_input_files([file_payload("a.txt", b"one"), file_payload("b.txt", b"two")])
    shelf = view(page).get_by_role("group", name="Files to send")
    await expect(shelf).to_contain_text("a.txt")
    await shelf.get_by_role("button", name="Do not send a.txt").click()
    await composer(page).fill("@skein read this")
    await composer(page).press("Enter")
    await expect(view(page).locator(".message .files").last).to_contain_text("b.txt")
    await expect(shelf).to_be_hidden()
    assert [(file.name, file.content) for file in stage.slack.sent] == [("b.txt", b"two")]


async def test_file_alone_is_a_message_and_a_picture_is_shown(page: Page, stage: Stage) -> None:
    await (
        view(page, "discord")
        .locator("input[type=file]")
        .set_input_files([{"name": "dot.png", "mimeType": "image/png", "buffer": make_image()}])
    )
    await view(page, "discord").locator(".send").click()
    picture = view(page, "discord").get_by_role("img", name="dot.png")
    await expect(picture).to_be_visible()
    assert await picture.evaluate("image => image.decode().then(() => image.naturalWidth)") == 40


async def test_file_is_dropped_onto_the_composer(page: Page, stage: Stage) -> None:
    transfer = await page.evaluate_handle(
        """() => {
            const transfer = new DataTransfer();
            transfer.items.add(new File(["three"], "c.txt", { type: "text/plain" }));
            return transfer;
        }"""
    )
    form = view(page).locator("form.composer")
    await form.dispatch_event("dragover", {"dataTransfer": transfer})
    await expect(form).to_have_class("composer is-over")
    await form.dispatch_event("drop", {"dataTransfer": transfer})
    await composer(page).press("Enter")
    await expect(view(page).locator(".message .files").last).to_contain_text("c.txt")
    assert stage.slack.sent[-1].content == b"three"


async def test_message_that_is_refused_keeps_its_files(page: Page, stage: Stage) -> None:
    stage.slack.channels[0]["id"] = "C9"
    await view(page).locator("input[type=file]").set_input_files([file_payload("a.txt", b"one")])
    await composer(page).press("Enter")
    await expect(page.locator(".toast.error")).to_be_visible()
    await expect(view(page).get_by_role("group", name="Files to send")).to_contain_text("a.txt")


def file_payload(name: str, content: bytes) -> FilePayload:
    return {"name": name, "mimeType": "text/plain", "buffer": content}


# Reactions


async def test_reactions_come_and_go_below_a_message(page: Page, stage: Stage) -> None:
    message = stage.slack.post("C1", "a question", author="U1", reactions=["👀"])
    shown = view(page).locator(".message .reaction")
    await expect(shown).to_have_text(["👀"])
    stage.slack.change(message, reactions=[])
    await expect(shown).to_have_count(0)
