"""Finding one's way on the page, by mouse and by keyboard."""

from __future__ import annotations

import pytest
from playwright.async_api import Browser, Page, expect

from tests.bots.playground.browser_kit import composer, last_body, open_page, view
from tests.bots.playground.page_kit import Stage

pytestmark = pytest.mark.asyncio(loop_scope="module")


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
