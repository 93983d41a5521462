"""The page comes and goes, in windows of every size."""

from __future__ import annotations

import pytest
from playwright.async_api import Browser, Page, expect

from tests.bots.playground.browser_kit import composer, last_body, open_page, thread, view
from tests.bots.playground.page_kit import Stage, serve_stage

pytestmark = pytest.mark.asyncio(loop_scope="module")


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
