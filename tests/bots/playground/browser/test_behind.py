"""Behind the scenes: what is stored and sent, calls, and trouble that is made."""

from __future__ import annotations

import pytest
from playwright.async_api import Browser, Page, expect

from bots.playground.base import Fault
from tests.bots.playground.browser_kit import composer, open_page, view
from tests.bots.playground.page_kit import Stage, stored

pytestmark = pytest.mark.asyncio(loop_scope="module")


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
