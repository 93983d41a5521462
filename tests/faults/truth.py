"""What must hold in the end, whatever went wrong: the store has what the platform shows, no more, no less."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Sequence
from itertools import chain, pairwise

from bots.delivery import NOTICE_MARK
from bots.playground.base import MessageView, Simulation
from core.app import find_backend
from core.conversation import Turn, TurnState
from core.store.base import Store, StoredMessage

_MENTION = re.compile(r"<@!?\w+>|@skein\b")
_LIMIT = 1_000


async def find_differences(
    url: str,
    platform: Simulation,
    *,
    told: Collection[str] = (),
    unrecorded: Collection[str] = (),
    is_in_order: bool = True,
) -> list[str]:
    """Compare a database, which no process uses any more, with all that a platform shows.

    Each message of a person is a question, with one whole reply; those in `told` were answered by a
    notice instead, and those in `unrecorded` may have left no trace but a notice. Questions follow the
    platform's time, but where what came late was answered late (not `is_in_order`).
    """
    async with find_backend(url).open_store(url) as store:
        infos = await store.load_recent(platform.platform, limit=_LIMIT)
        histories = [await store.load_history(info.key, _LIMIT) for info in infos]
        turns = await _load_turns(store, chain.from_iterable(histories))
    shown = [view for view in platform.snapshot()["messages"] if not view["visible_to"]]
    bot = platform.snapshot()["bot"]["id"]
    asked = {view["id"]: view for view in shown if view["author"] != bot}
    said = {view["id"]: view for view in shown if view["author"] == bot}
    return [
        *_compare_questions(turns, asked, unrecorded),
        *_compare_replies(turns, said, told),
        *_find_strays(turns, said, unrecorded),
        *chain.from_iterable(map(_check_pairs, histories)),
        *(chain.from_iterable(map(_check_order, histories)) if is_in_order else ()),
    ]


async def _load_turns(store: Store, history: Iterable[StoredMessage]) -> list[Turn]:
    turn_ids = dict.fromkeys(stored.turn_id for stored in history)
    return [turn for turn_id in turn_ids if (turn := await store.find_turn(turn_id))]


def _compare_questions(
    turns: Sequence[Turn], asked: dict[str, MessageView], unrecorded: Collection[str]
) -> Iterable[str]:
    recorded = {turn.message_id: turn for turn in turns}
    if len(recorded) != len(turns):
        yield "a message has two turns"
    for message_id, view in asked.items():
        turn = recorded.get(message_id)
        if turn is None:
            if message_id not in unrecorded:
                yield f"not recorded: {view['text']!r}"
        elif _words(turn.text) != _words(_MENTION.sub("", view["text"])):
            yield f"asked {view['text']!r}, recorded {turn.text!r}"
    yield from (f"never asked: {turn.text!r}" for turn in turns if turn.message_id not in asked)


def _compare_replies(
    turns: Sequence[Turn], said: dict[str, MessageView], told: Collection[str]
) -> Iterable[str]:
    by_id = {turn.id: turn for turn in turns}
    for turn in turns:
        if turn.merged_into is not None:
            yield from _compare_merged(turn, by_id.get(turn.merged_into))
            continue
        views = [said[id_] for id_ in _reply_ids(turn) if id_ in said]
        text = "\n".join(view["text"] for view in views)
        if any(view["is_streaming"] for view in views):
            yield f"still streams: {text!r}"
        if turn.message_id in told:
            if turn.state is not TurnState.FAILED or text.count(NOTICE_MARK) != 1:
                yield f"no notice after {turn.text!r}: {turn.state}, {text!r}"
        elif turn.state is not TurnState.DONE:
            yield f"{turn.text!r} is {turn.state}: {turn.error}"
        elif _words(text) != _words(turn.reply_text or ""):
            yield f"{turn.text!r} shows {text!r} and has {turn.reply_text!r}"


def _compare_merged(turn: Turn, lead: Turn | None) -> Iterable[str]:
    """A question that another one's reply answers ended as that one did, later, and has none of its own."""
    if lead is None or lead.merged_into is not None or lead.sent_at < turn.sent_at:
        yield f"{turn.text!r} was merged into {lead and lead.text!r}"
    elif turn.state is not lead.state:
        yield f"{turn.text!r} is {turn.state}, and what it was merged into {lead.state}"
    if turn.replies or turn.reply_text is not None:
        yield f"{turn.text!r} was merged, and has a reply of its own"


def _find_strays(
    turns: Sequence[Turn], said: dict[str, MessageView], unrecorded: Collection[str]
) -> Iterable[str]:
    """Find messages of the bot that belong to no reply. What could not be recorded is told once."""
    known = list(chain.from_iterable(map(_reply_ids, turns)))
    if len(known) != len(set(known)):
        yield "a message belongs to two replies"
    strays = [view for id_, view in said.items() if id_ not in known]
    notices = [view for view in strays if view["reply_to"] in unrecorded]
    yield from (f"stray: {view['text']!r}" for view in strays if view not in notices)
    answered = [view["reply_to"] for view in notices]
    if len(answered) != len(set(answered)):
        yield f"told twice: {answered}"


def _check_pairs(history: Sequence[StoredMessage]) -> Iterable[str]:
    """Each answer stands right after its question."""
    for before, stored in zip((None, *history), history, strict=False):
        if stored.message.role == "assistant" and (
            before is None or before.turn_id != stored.turn_id
        ):
            yield f"an answer without its question before it: {stored.message.text!r}"


def _check_order(history: Sequence[StoredMessage]) -> Iterable[str]:
    """Questions stand by the platform's time."""
    asked = [each.message for each in history if each.message.role == "user"]
    for before, after in pairwise(asked):
        if before.sent_at and after.sent_at and before.sent_at > after.sent_at:
            yield f"{after.text!r} of {after.sent_at} stands behind {before.text!r} of {before.sent_at}"


def _reply_ids(turn: Turn) -> list[str]:
    return [reply.message_id for reply in turn.replies if reply.kind != "notice"]


def _words(text: str) -> str:
    """Leave out what rendering and splitting change."""
    return "".join(filter(str.isalnum, text))
