"""Replies on Discord: once, whole, whatever the network and the limits do."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from bots.delivery import FrozenError, PageFullError, SlowDownError, TransientError
from bots.discord import sink as sink_module
from bots.discord.client import BotClient, log_in
from bots.discord.refusing import Refusing
from bots.discord.sink import DiscordOutlet
from bots.outlet import NotYetError
from bots.playground.base import Fault
from bots.playground.discord import BOT_ID, GENERAL_CHANNEL, SimulatedDiscord
from bots.playground.discord.permissions import READ_MESSAGE_HISTORY, SEND_MESSAGES
from core.conversation import ReplyMessage, TurnState
from core.errors import DeliveryError
from tests.bots.discord.kit import Skein, key, running_skein, serving
from tests.bots.playground.openapi import find_problems

POST = f"POST /channels/{GENERAL_CHANNEL}/messages"
PATCH = f"PATCH /channels/{GENERAL_CHANNEL}/messages/*"
DELETE = f"DELETE /channels/{GENERAL_CHANNEL}/messages/*"

MakeOutlet = Callable[[str], DiscordOutlet]


@pytest.fixture
async def client(server: SimulatedDiscord) -> AsyncIterator[BotClient]:
    client = await log_in(server.bot_token, server.api_url)
    yield client
    await client.close()
    assert find_problems(call for call in server.calls if call.status < 400) == []


@pytest.fixture
async def question(server: SimulatedDiscord) -> str:
    return await server.say("Ada", GENERAL_CHANNEL, "@skein hello")


@pytest.fixture
def outlet(client: BotClient, question: str) -> DiscordOutlet:
    return DiscordOutlet(client, key(GENERAL_CHANNEL), question)


def texts(server: SimulatedDiscord) -> list[str]:
    """Give the texts of the bot's messages."""
    return [m["text"] for m in server.snapshot()["messages"] if m["author"] == BOT_ID]


async def test_the_same_part_posted_again_is_the_message_that_is_there(
    client: BotClient, server: SimulatedDiscord, question: str
) -> None:
    first = await DiscordOutlet(client, key(GENERAL_CHANNEL), question).post(0, "half an")
    again = await DiscordOutlet(client, key(GENERAL_CHANNEL), question).post(0, "half an answer")
    assert again == first
    assert texts(server) == ["half an answer"]


@pytest.mark.parametrize("part", [0, 1])
async def test_a_part_left_by_a_process_that_died_is_taken_over_when_its_nonce_is_forgotten(
    client: BotClient, server: SimulatedDiscord, question: str, part: int
) -> None:
    died = DiscordOutlet(client, key(GENERAL_CHANNEL), question)
    for number in range(part):
        await died.post(number, "before")
    left = await died.post(part, "half an")
    forget_nonces(server)
    resumed = DiscordOutlet(client, key(GENERAL_CHANNEL), question, is_resumed=True)
    assert await resumed.post(part, "half an answer") == left
    assert await resumed.post(part + 1, "half an answer") != left
    assert texts(server)[part:] == ["half an answer", "half an answer"]


async def test_a_post_whose_answer_was_lost_is_found_where_no_nonce_is_known(
    outlet: DiscordOutlet, server: SimulatedDiscord
) -> None:
    server.faults.add(Fault(POST, drop=True, after=True))
    with pytest.raises(TransientError):
        await outlet.post(0, "hello")
    forget_nonces(server)
    await outlet.post(0, "hello, you")
    assert texts(server) == ["hello, you"]


async def test_where_nobody_may_look_the_part_is_posted(
    client: BotClient, server: SimulatedDiscord, question: str
) -> None:
    server.faults.add(Fault(f"GET /channels/{GENERAL_CHANNEL}/messages", status=403, error="50001"))
    resumed = DiscordOutlet(client, key(GENERAL_CHANNEL), question, is_resumed=True)
    await resumed.post(0, "hello")
    assert texts(server) == ["hello"]


def forget_nonces(server: SimulatedDiscord) -> None:
    """Let the server be one that knows no nonces, or Discord a few minutes later."""
    for post in server.world.state.in_channel(GENERAL_CHANNEL).values():
        post.nonce = ""


async def test_a_message_is_edited_by_its_id_alone(
    client: BotClient, server: SimulatedDiscord, question: str
) -> None:
    reply = await DiscordOutlet(client, key(GENERAL_CHANNEL), question).post(0, "one")
    other = DiscordOutlet(client, key(GENERAL_CHANNEL), question)
    assert await other.edit(ReplyMessage(0, reply.message_id), "two") == reply
    assert await other.seal(reply, "three") == reply
    assert texts(server) == ["three"]


async def test_a_deleted_question_is_still_answered(
    outlet: DiscordOutlet, server: SimulatedDiscord, question: str
) -> None:
    await server.delete(question)
    await outlet.post(0, "too late, but here")
    assert texts(server) == ["too late, but here"]


async def test_a_question_that_may_not_be_read_is_answered_without_a_reference(
    outlet: DiscordOutlet, server: SimulatedDiscord
) -> None:
    server.deny(GENERAL_CHANNEL, READ_MESSAGE_HISTORY)
    await outlet.post(0, "here")
    assert texts(server) == ["here"]


@pytest.mark.parametrize(("status", "code"), [(403, "50013"), (400, "50083"), (405, "0")])
async def test_a_message_that_may_not_be_edited_is_left_as_it_is(
    outlet: DiscordOutlet, server: SimulatedDiscord, status: int, code: str
) -> None:
    reply = await outlet.post(0, "one")
    server.faults.add(Fault(PATCH, status=status, error=code))
    with pytest.raises(FrozenError):
        await outlet.edit(reply, "one two")


@pytest.mark.parametrize(("status", "code", "is_known"), [(405, "0", True), (400, "50083", False)])
async def test_a_place_where_no_message_can_be_edited_is_remembered_for_a_while(
    client: BotClient,
    server: SimulatedDiscord,
    question: str,
    status: int,
    code: str,
    is_known: bool,
) -> None:
    now = 0.0
    refused = Refusing(timedelta(minutes=10), lambda: now)
    outlet = DiscordOutlet(client, key(GENERAL_CHANNEL), question, changes_refused=refused)
    reply = await outlet.post(0, "one")
    assert outlet.may_change
    server.faults.add(Fault(PATCH, status=status, error=code))
    with pytest.raises(FrozenError):
        await outlet.edit(reply, "one two")
    later = DiscordOutlet(client, key(GENERAL_CHANNEL), "1", changes_refused=refused)
    assert later.may_change is not is_known
    now = 601.0
    assert later.may_change


async def test_the_second_answer_where_none_can_be_edited_is_one_message(skein: Skein) -> None:
    skein.server.faults.add(Fault(PATCH, status=405, error="0", times=100))
    for number in range(2):
        skein.models.hold()
        said = await skein.server.say("Ada", GENERAL_CHANNEL, "@skein hello")
        if not number:
            await skein.server.wait_for_reply(GENERAL_CHANNEL, "Answer", after=said)
        skein.models.release()
        await skein.server.wait_for_reply(GENERAL_CHANNEL, "to hello", after=said)
        await skein.settle()
    assert [reply["text"] for reply in skein.replies()] == ["Answer", "to hello", "Answer to hello"]


async def test_a_message_that_a_person_deleted_is_not_made_again(
    outlet: DiscordOutlet, server: SimulatedDiscord
) -> None:
    reply = await outlet.post(0, "one")
    await server.delete(reply.message_id)
    with pytest.raises(DeliveryError, match="deleted"):
        await outlet.edit(reply, "one two")


async def test_a_message_that_is_gone_needs_no_removal(
    outlet: DiscordOutlet, server: SimulatedDiscord
) -> None:
    reply = await outlet.post(0, "one")
    await outlet.remove(reply)
    await outlet.remove(reply)
    assert texts(server) == []


async def test_blank_text_is_still_a_message(outlet: DiscordOutlet) -> None:
    await outlet.post(0, "  \n ")


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        (Fault(POST, status=503), TransientError),
        (Fault(POST, drop=True), TransientError),
        (Fault(POST, status=403, error="50013"), NotYetError),
        (Fault(POST, status=404, error="10003"), NotYetError),
        (Fault(POST, status=403, error="20016"), DeliveryError),
        (Fault(POST, status=400, error="50035"), DeliveryError),
        (Fault(POST, status=429, retry_after=timedelta(seconds=90)), SlowDownError),
    ],
)
async def test_what_goes_wrong_is_put_into_deliverys_words(
    outlet: DiscordOutlet, server: SimulatedDiscord, fault: Fault, error: type[Exception]
) -> None:
    server.faults.add(fault)
    with pytest.raises(error) as caught:
        await outlet.post(0, "hello")
    if isinstance(caught.value, SlowDownError):
        assert caught.value.retry_after == timedelta(seconds=90)


async def test_a_place_that_is_closed_for_good_is_believed_after_some_attempts(
    outlet: DiscordOutlet, server: SimulatedDiscord
) -> None:
    server.deny(GENERAL_CHANNEL, SEND_MESSAGES)
    for _ in range(3):
        with pytest.raises(NotYetError):
            await outlet.post(0, "hello")
    with pytest.raises(DeliveryError):
        await outlet.post(0, "hello")


async def test_a_place_that_only_just_opened_gets_its_answer(skein: Skein) -> None:
    skein.server.faults.add(Fault(POST, status=403, error="50001", times=2))
    assert (await skein.ask("@skein hello"))["text"] == "Answer to hello"
    assert len(skein.replies()) == 1


async def test_a_message_edited_too_often_is_full(
    outlet: DiscordOutlet, server: SimulatedDiscord
) -> None:
    reply = await outlet.post(0, "one")
    server.faults.add(Fault(PATCH, status=400, error="30046"))
    with pytest.raises(PageFullError):
        await outlet.edit(reply, "two")


async def test_a_text_that_is_too_long_after_all_is_full_in_an_edit_and_refused_in_a_post(
    outlet: DiscordOutlet,
) -> None:
    reply = await outlet.post(0, "one")
    with pytest.raises(PageFullError):
        await outlet.edit(reply, "x" * 2001)
    with pytest.raises(DeliveryError):
        await outlet.post(1, "x" * 2001)


async def test_a_call_without_an_answer_is_given_up(
    outlet: DiscordOutlet, server: SimulatedDiscord, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sink_module, "CALL_SECONDS", 0.1)
    server.faults.add(Fault(POST, delay=timedelta(seconds=1), is_slow_only=True))
    with pytest.raises(TransientError):
        await outlet.post(0, "hello")


async def test_a_post_whose_answer_was_lost_is_not_made_twice(skein: Skein) -> None:
    skein.server.faults.add(Fault(POST, drop=True, after=True))
    await skein.server.say("Ada", GENERAL_CHANNEL, "@skein hello")
    await skein.server.wait_for_reply(GENERAL_CHANNEL, "Answer to hello")
    await skein.settle()
    assert [reply["text"] for reply in skein.replies()] == ["Answer to hello"]
    assert (await skein.turn()).state is TurnState.DONE


@pytest.mark.parametrize("method", [POST, PATCH])
@pytest.mark.parametrize(
    "fault",
    [
        {"status": 429, "retry_after": timedelta(seconds=0.2)},
        {"status": 503},
        {"drop": True},
    ],
)
async def test_an_answer_is_whole_after_calls_that_failed(
    skein: Skein, method: str, fault: dict[str, Any]
) -> None:
    skein.server.faults.add(Fault(method, times=2, **fault))
    await skein.server.say("Ada", GENERAL_CHANNEL, "@skein hello")
    await skein.server.wait_for_reply(GENERAL_CHANNEL, "Answer to hello")
    await skein.settle()
    assert [reply["text"] for reply in skein.replies()] == ["Answer to hello"]


async def test_an_answer_goes_on_where_an_old_message_takes_no_more(skein: Skein) -> None:
    skein.server.faults.add(Fault(PATCH, status=400, error="30046"))
    await skein.server.say("Ada", GENERAL_CHANNEL, "@skein hello")
    await skein.server.wait_for_reply(GENERAL_CHANNEL, "to hello")
    await skein.settle()
    assert " ".join(" ".join(m["text"].split()) for m in skein.replies()) == "Answer to hello"


async def test_a_reply_that_somebody_deleted_stays_deleted(skein: Skein) -> None:
    skein.models.hold()
    await skein.server.say("Ada", GENERAL_CHANNEL, "@skein hello")
    reply = await skein.server.wait_for_reply(GENERAL_CHANNEL, "Answer")
    await skein.server.delete(reply["id"])
    skein.models.release()
    await skein.settle()
    assert skein.replies() == []
    assert (await skein.turn()).state is TurnState.FAILED


async def test_where_the_bot_may_not_write_the_turn_fails_and_others_go_on(skein: Skein) -> None:
    skein.server.deny(GENERAL_CHANNEL, SEND_MESSAGES)
    await skein.server.say("Ada", GENERAL_CHANNEL, "@skein hello")
    await skein.server.wait_for_call(POST)
    await skein.settle()
    assert (await skein.turn()).state is TurnState.FAILED
    skein.server.deny(GENERAL_CHANNEL, 0)
    assert (await skein.ask("@skein again"))["text"] == "Answer to again"


async def test_a_reply_is_finished_by_the_process_that_comes_after(
    server: SimulatedDiscord, tmp_path: Path
) -> None:
    async with running_skein(server, tmp_path) as skein:
        skein.models.hold()
        await server.say("Ada", GENERAL_CHANNEL, "@skein hello")
        await server.wait_for_reply(GENERAL_CHANNEL, "Answer")
        await skein.turns.drain(timedelta())
    async with running_skein(server, tmp_path) as skein:
        assert await skein.turns.resume("discord") == 1
        await server.wait_for_reply(GENERAL_CHANNEL, "Answer to hello")
        await skein.settle()
        assert [reply["text"] for reply in skein.replies()] == ["Answer to hello"]


async def test_answers_are_whole_under_discords_own_limits(tmp_path: Path) -> None:
    async with serving(rate_limits=0.2) as server, running_skein(server, tmp_path) as skein:
        skein.models.answer = lambda request: "word " * 900 + request.messages[-1].text
        for number in range(3):
            await server.say("Ada", GENERAL_CHANNEL, f"@skein end{number}")
        for number in range(3):
            await server.wait_for_reply(
                GENERAL_CHANNEL, f"end{number}", timeout=timedelta(seconds=30)
            )
        await skein.settle()
        assert sum(m["text"].count("word") for m in skein.replies()) == 2700
