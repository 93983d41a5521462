"""The first steps on the page, and commands completed by keyboard."""

from __future__ import annotations

import pytest
from playwright.async_api import Page, expect

from tests.bots.playground.browser_kit import composer, last_body, thread, view
from tests.bots.playground.page_kit import Stage

pytestmark = pytest.mark.asyncio(loop_scope="module")


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
