"""Messages on the page: threads, replies, deletion, reactions, and what they offer."""

from __future__ import annotations

import pytest
from playwright.async_api import Page, expect

from tests.bots.playground.browser_kit import composer, last_body, thread, view
from tests.bots.playground.page_kit import Stage

pytestmark = pytest.mark.asyncio(loop_scope="module")


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


async def test_ephemeral_message_is_seen_by_one_person(page: Page, stage: Stage) -> None:
    stage.slack.post("C1", "psst", visible_to="U1")
    await expect(view(page).locator(".is-private")).to_contain_text("Only visible to you")
    await view(page).get_by_role("radio", name="Grace").click()
    await expect(view(page).locator(".message")).to_have_count(0)


async def test_deleted_message_goes(page: Page, stage: Stage) -> None:
    message = stage.discord.post("C1", "oops")
    await expect(view(page, "discord").locator(".message")).to_have_count(1)
    await stage.discord.delete(message["id"])
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


async def test_reactions_come_and_go_below_a_message(page: Page, stage: Stage) -> None:
    message = stage.slack.post("C1", "a question", author="U1", reactions=["👀"])
    shown = view(page).locator(".message .reaction")
    await expect(shown).to_have_text(["👀"])
    stage.slack.change(message, reactions=[])
    await expect(shown).to_have_count(0)


# What people do with messages


async def test_message_is_forwarded_to_where_the_person_goes(page: Page, stage: Stage) -> None:
    stage.slack.post("C1", "at nine", author="U1")
    await view(page).locator(".message").hover()
    await view(page).get_by_role("button", name="Forward").click()
    await expect(view(page).locator(".answering")).to_contain_text("Forwarding a message of Ada")
    await page.locator(".slack .place", has_text="random").click()
    await page.keyboard.type("what is this?")
    await page.keyboard.press("Enter")
    await expect(last_body(page)).to_have_text("what is this? [forwarded] at nine")
    await expect(view(page).locator(".answering")).to_be_hidden()
    assert list(stage.slack.messages.values())[-1]["channel"] == "C2"


async def test_forward_is_let_go_of_by_escape(page: Page, stage: Stage) -> None:
    stage.discord.post("C1", "at nine", author="U1")
    await view(page, "discord").locator(".message").hover()
    await view(page, "discord").get_by_role("button", name="Forward").click()
    await page.keyboard.press("Escape")
    await expect(view(page, "discord").locator(".answering")).to_be_hidden()
    await page.keyboard.press("Enter")
    assert len(stage.discord.messages) == 1


@pytest.mark.parametrize("platform", ["slack", "discord"])
async def test_own_message_is_changed_and_deleted(page: Page, stage: Stage, platform: str) -> None:
    getattr(stage, platform).post("C1", "first line\nsecond <@B1>", author="U1")
    await view(page, platform).locator(".message").hover()
    await view(page, platform).get_by_role("button", name="Edit").click()
    await expect(composer(page, platform)).to_have_value("first line\nsecond @skein")
    await composer(page, platform).fill("another")
    await page.keyboard.press("Enter")
    await expect(last_body(page, platform)).to_have_text("another")
    await expect(composer(page, platform)).to_have_value("")
    await view(page, platform).locator(".message").hover()
    await view(page, platform).get_by_role("button", name="Delete").click()
    await expect(view(page, platform).locator(".message")).to_have_count(0)


async def test_message_of_the_bot_is_nobodys_to_change(page: Page, stage: Stage) -> None:
    stage.discord.post("C1", "an answer")
    await view(page, "discord").locator(".message").hover()
    tools = view(page, "discord").locator(".message .tools button")
    await expect(tools).to_have_text(["Reply", "Forward"])
