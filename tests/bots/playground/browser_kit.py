"""A real Chromium for the tests of the page; they are skipped where there is none."""

from __future__ import annotations

import os
import shutil
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import pytest
from playwright.async_api import Browser, Locator, Page, async_playwright, expect

ARGUMENTS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
    "--disable-quic",
)
WIDE = (1440, 900)


def find_chromium() -> str | None:
    """Find the browser: $CHROMIUM, or what the system has."""
    names = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
    return os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, names)), None)


@asynccontextmanager
async def open_browser() -> AsyncGenerator[Browser]:
    """Start Chromium, or skip the test."""
    executable = find_chromium()
    if executable is None:
        pytest.skip("no Chromium on this machine; install it or name it in $CHROMIUM")
    expect.set_options(timeout=10_000)
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=executable, args=ARGUMENTS)
        try:
            yield browser
        finally:
            await browser.close()


@asynccontextmanager
async def open_page(
    browser: Browser, url: str, size: tuple[int, int] = WIDE
) -> AsyncGenerator[Page]:
    """Open the playground in a browser of its own. An error in the page's scripts fails the test."""
    viewport = {"width": size[0], "height": size[1]}
    context = await browser.new_context(viewport=viewport, locale="en-GB")  # pyright: ignore[reportArgumentType]
    page = await context.new_page()
    problems: list[str] = []
    page.on("pageerror", lambda error: problems.append(str(error)))
    page.on("console", lambda said: _collect(problems, said.type, said.text))
    try:
        await page.goto(url)
        await page.wait_for_selector("#behind", state="attached")
        yield page
    finally:
        await context.close()
    assert problems == []


def _collect(problems: list[str], kind: str, text: str) -> None:
    # A server that is away, or that refuses, is what some tests are about.
    if kind == "error" and "Failed to load resource" not in text:
        problems.append(text)


def view(page: Page, platform: str = "slack") -> Locator:
    """The main view of a platform."""
    return page.locator(f".{platform} .view:not(.thread-view)")


def thread(page: Page) -> Locator:
    """The pane of a Slack thread."""
    return page.locator(".slack .thread-view")


def composer(page: Page, platform: str = "slack") -> Locator:
    """Where people write."""
    return view(page, platform).get_by_role("textbox")


def last_body(page: Page, platform: str = "slack") -> Locator:
    """The text of the newest message."""
    return view(page, platform).locator(".message .body").last
