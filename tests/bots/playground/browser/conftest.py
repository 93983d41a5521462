"""A browser for each module, and a page of its own for each test, over simulations in memory."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest_asyncio
from playwright.async_api import Browser, Page

from tests.bots.playground.browser_kit import open_browser, open_page
from tests.bots.playground.page_kit import Stage, serve_stage


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
