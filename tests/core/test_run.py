"""Whatever goes wrong in a turn is told once, kept, and holds up nobody."""

import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from core import lane
from core.answer import BREAK_NOTE, LENGTH_NOTE
from core.conversation import Turn, TurnState, Usage
from core.errors import AuthError, ContextTooLongError, OverloadedError, StoreError
from core.providers.base import Chunk, ModelRef, Request
from core.sink import Hold, ReplySink
from core.turns import Turns
from tests.core.cores import OPTIONS, Core
from tests.fakes import FakeModels, make_incoming


async def test_an_answer_is_delivered_though_the_word_that_it_was_stored_got_lost(
    core: Core, monkeypatch: pytest.MonkeyPatch
):
    save_reply = core.store.save_reply

    async def save_and_break(turn: Turn, text: str, model: str, usage: Usage) -> bool:
        monkeypatch.undo()
        assert await save_reply(turn, text, model, usage)
        raise StoreError("the connection broke after the commit")

    monkeypatch.setattr(core.store, "save_reply", save_and_break)
    await core.turns.submit(make_incoming("Hello"))
    [shown] = await core.sinks.wait_for(1)
    assert (shown.text, shown.notice) == ("Answer to Hello", "")
    assert await core.settled(shown.turn.id) is TurnState.DONE
    assert len(core.models.requests) == 1


async def test_an_answer_that_breaks_off_is_kept_marked_and_by_whom(core: Core):
    class BreakingModels(FakeModels):
        @asynccontextmanager
        async def stream(self, ref: ModelRef, request: Request):
            self.requests.append(request)
            yield self._break()

        async def _break(self) -> AsyncIterator[Chunk]:
            other = self.get_model("other")
            yield Chunk("One\n```py\nx = 1", answered_by=self.default)
            yield Chunk(answered_by=other, is_restart=True)
            yield Chunk("Two")
            raise OverloadedError("fake/other", "cut off")

    async with Turns(core.store, BreakingModels(), OPTIONS) as turns:
        turns.attach("test", core.sinks.open_sink)
        await turns.submit(make_incoming("Hello"))
        [shown] = await core.sinks.wait_for(1)
        assert await turns.wait_idle(timedelta(seconds=20))
    said = (
        "One\n```py\nx = 1\n```\n\n_(The answer broke off here. fake/other answers anew:)_\n\nTwo"
    )
    assert (shown.text, shown.notice) == (said + BREAK_NOTE, "")
    turn = await core.store.find_turn(shown.turn.id)
    assert turn
    assert turn.state is TurnState.DONE
    conversation = await core.store.load(shown.turn.key)
    assert conversation.messages[-1].text == said + BREAK_NOTE


async def test_a_failed_answer_is_told_and_its_question_is_not_sent_again(core: Core):
    good = core.models.answer
    core.models.answer = lambda request: AuthError("fake/model", "401 bad key")
    await core.turns.submit(make_incoming("doomed"))
    [shown] = await core.sinks.wait_for(1)
    assert "its key is refused" in shown.notice
    assert await core.settled(shown.turn.id) is TurnState.FAILED
    core.models.answer = good
    await core.turns.submit(make_incoming("again", number=1))
    await core.sinks.wait_for(2)
    assert [message.text for message in core.models.requests[-1].messages] == ["again"]
    history = await core.threads.history(shown.turn.key)
    assert (history[0].message.text, history[0].is_sent) == ("doomed", False)


async def test_an_empty_answer_is_a_failure(core: Core):
    core.models.answer = lambda request: "  "
    await core.turns.submit(make_incoming("say nothing"))
    [shown] = await core.sinks.wait_for(1)
    assert "no answer" in shown.notice


async def test_an_unexpected_error_is_told_without_its_details(core: Core):
    core.models.answer = lambda request: ZeroDivisionError("secret internals")
    await core.turns.submit(make_incoming("boom"))
    [shown] = await core.sinks.wait_for(1)
    assert shown.notice == "Something went wrong on my side. Please ask again."
    await core.turns.submit(make_incoming("still there?", number=1))
    await core.sinks.wait_for(2)


async def test_an_answer_cut_by_its_length_says_so(core: Core):
    core.models.finish_reason = "length"
    await core.turns.submit(make_incoming("long"))
    [shown] = await core.sinks.wait_for(1)
    assert "length limit" in shown.text


async def test_an_answer_that_the_model_declines_to_finish_is_shown_and_never_sent_again(
    core: Core,
):
    core.models.finish_reason = "refusal"
    await core.turns.submit(make_incoming("How do I pick locks?"))
    [shown] = await core.sinks.wait_for(1)
    assert shown.text == "Answer to How do I pick locks?"
    assert "refused this question" in shown.notice
    core.models.finish_reason = "stop"
    await core.turns.submit(make_incoming("And the weather?", number=1))
    await core.sinks.wait_for(2)
    assert [message.text for message in core.models.requests[-1].messages] == ["And the weather?"]


async def test_an_undeliverable_reply_ends_failed_and_the_next_turn_runs(core: Core):
    core.sinks.refuse = "channel_not_found"
    await core.turns.submit(make_incoming("hello"))
    await core.sinks.wait_for_update()
    await core.turns.submit(make_incoming("again", number=1))
    await core.sinks.wait_for_refusals(1)
    core.sinks.refuse = ""
    await core.sinks.wait_for(1)
    turn = await core.store.find_turn(core.sinks.shown[0].turn.id)
    assert turn
    assert turn.state is TurnState.FAILED
    assert "channel_not_found" in (turn.error or "")


async def test_a_turn_for_which_no_sink_opens_does_not_hold_up_the_next(core: Core):
    def open_sink(turn: Turn, hold: Hold) -> ReplySink:
        if turn.text == "poison":
            raise ValueError("no such channel")
        return core.sinks.open_sink(turn, hold)

    core.turns.attach("test", open_sink)
    await core.turns.submit(make_incoming("poison"))
    await core.turns.submit(make_incoming("cure", number=1))
    [shown] = await core.sinks.wait_for(1)
    assert shown.text == "Answer to cure"


async def test_an_answer_cut_inside_code_says_so_below_the_code(core: Core):
    core.models.answer = lambda request: "```py\nx = 1"
    core.models.finish_reason = "length"
    await core.turns.submit(make_incoming("code"))
    [shown] = await core.sinks.wait_for(1)
    assert shown.text == f"```py\nx = 1\n```{LENGTH_NOTE}"


async def test_a_store_that_fails_behind_a_delivered_reply_asks_for_no_second_question(
    core: Core, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(lane, "FIRST_BACK_OFF", timedelta())
    with closing(sqlite3.connect(tmp_path / "skein.db")) as vandal:
        vandal.execute(
            "CREATE TRIGGER full_disk BEFORE UPDATE ON turns WHEN new.state = 'done' "
            "AND new.attempts = 1 BEGIN SELECT RAISE(ABORT, 'no space'); END"
        )
    await core.turns.submit(make_incoming("hi"))
    shown = await core.sinks.wait_for(2)
    assert [(each.text, each.notice) for each in shown] == [("Answer to hi", "")] * 2
    assert len(core.models.requests) == 1
    assert await core.settled(shown[0].turn.id) is TurnState.DONE


async def test_a_store_that_cannot_record_raises_so_that_nothing_is_acknowledged(
    core: Core, tmp_path: Path
):
    with closing(sqlite3.connect(tmp_path / "skein.db")) as vandal:
        vandal.execute("DROP TABLE messages")
    with pytest.raises(StoreError):
        await core.turns.submit(make_incoming("lost?"))


@pytest.mark.parametrize(("platform", "command"), [("slack", "`!clear`"), ("discord", "`/clear`")])
async def test_a_notice_names_commands_as_they_are_written_where_it_is_read(
    core: Core, platform: str, command: str
):
    core.models.answer = lambda _: ContextTooLongError("fake/model", "too long")
    core.turns.attach(platform, core.sinks.open_sink)
    asked = make_incoming("Hello")
    await core.turns.submit(replace(asked, key=replace(asked.key, platform=platform)))
    [shown] = await core.sinks.wait_for(1)
    assert command in shown.notice
