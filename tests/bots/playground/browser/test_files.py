"""Files sent and shown on the page."""

from __future__ import annotations

import pytest
from playwright.async_api import FilePayload, Page, expect

from tests.bots.playground.browser_kit import composer, view
from tests.bots.playground.page_kit import Stage
from tests.core.files.samples import make_image

pytestmark = pytest.mark.asyncio(loop_scope="module")


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
