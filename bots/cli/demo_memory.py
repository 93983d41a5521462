"""What the playground's page shows of the bot's memory."""

from __future__ import annotations

from datetime import UTC, datetime

from bots.playground.page.views import ConversationChoice, ConversationView, StoredMessageView
from core.conversation import ThreadKey
from core.errors import UnknownModelError
from core.limits.quota_words import render_cost
from core.limits.quotas import Scope
from core.memory.outlook import Outlook
from core.store.base import ConversationInfo, Store, StoredMessage
from core.threads import Threads

_OTHERS = 50
_TITLE = 60
_DISCORD_DM = "@me"
_EVER = datetime(2020, 1, 1, tzinfo=UTC)


class PlaygroundMemory:
    """Reads stored conversations for the page."""

    def __init__(self, threads: Threads, store: Store) -> None:
        self._threads = threads
        self._store = store

    async def load(self, place: dict[str, str]) -> ConversationView:
        """Give the conversation of a place, stored or not, and the others of its platform."""
        keys = find_keys(place)
        found = [info for key in keys if (info := await self._threads.find(key))]
        info = found[0] if found else None
        key = info.key if info else keys[0]
        history = await self._threads.history(key) if info else ()
        others = await self._threads.recent(place["platform"], limit=_OTHERS)
        recall = self._threads.recall
        layers, pins = await recall.load_layers(key), await recall.load_pins(key)
        outlook = await self._look_ahead(key)
        return ConversationView(
            is_stored=info is not None,
            workspace=key.workspace,
            channel=key.channel,
            thread=key.thread,
            model=await self._model_name(key),
            system_prompt="\n\n".join(layer.text for layer in layers),
            sent_tokens=outlook.count(outlook.fitted.tokens) if outlook else 0,
            room_tokens=outlook.loaded.room.talk_tokens if outlook else 0,
            used=await self._describe_use(key) if info else "",
            summary=outlook.fitted.summary if outlook else "",
            pins=[pin.text for pin in pins],
            messages=[_message_view(entry, outlook) for entry in history],
            others=[_choice(other) for other in others],
        )

    async def _model_name(self, key: ThreadKey) -> str:
        try:
            return str(await self._threads.get_model(key))
        except UnknownModelError as error:
            return error.name

    async def _look_ahead(self, key: ThreadKey) -> Outlook | None:
        try:
            return await self._threads.recall.look_ahead(key)
        except UnknownModelError:
            return None

    async def _describe_use(self, key: ThreadKey) -> str:
        used = await self._store.load_used(Scope.CHANNEL, key, "", _EVER)
        return f"{used.tokens:,} tokens, {render_cost(used)}"


def find_keys(place: dict[str, str]) -> list[ThreadKey]:
    """Give the keys that a place of the page can stand for, the likeliest first."""
    platform, workspace, channel = place["platform"], place["workspace"], place["channel"]
    if platform == "discord" and place["parent"]:
        return [ThreadKey(platform, workspace, place["parent"], channel)]
    key = ThreadKey(platform, workspace, channel, place["thread"])
    if platform == "discord":
        return [key, ThreadKey(platform, _DISCORD_DM, channel)]
    return [key]


def _message_view(entry: StoredMessage, outlook: Outlook | None) -> StoredMessageView:
    message = entry.message
    named = [f"📎 {attachment.name}" for attachment in message.attachments]
    note = _find_note(entry, outlook)
    return StoredMessageView(
        role=message.role,
        author=message.author.name if message.author else "",
        text="\n".join(filter(None, (message.text, *named))),
        is_sent=not note,
        note=note,
        model=message.model or "",
    )


def _find_note(entry: StoredMessage, outlook: Outlook | None) -> str:
    """Say why a message is not sent; nothing where it is, or waits to be."""
    if not entry.is_sent:
        return "not sent"
    position = entry.message.position
    if outlook is None or not position or position in {each.position for each in outlook.said}:
        return ""
    is_summarized = position <= outlook.loaded.remembered.summarized_until
    return "in the summary" if is_summarized else "no room"


def _choice(info: ConversationInfo) -> ConversationChoice:
    title = " ".join(info.first_text.split())
    return ConversationChoice(
        workspace=info.key.workspace,
        channel=info.key.channel,
        thread=info.key.thread,
        title=f"{title[:_TITLE]}…" if len(title) > _TITLE else title,
        message_count=info.message_count,
    )
