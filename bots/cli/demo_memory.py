"""What the playground's page shows of the bot's memory."""

from __future__ import annotations

from bots.playground.page.views import ConversationChoice, ConversationView, StoredMessageView
from core.conversation import ThreadKey
from core.errors import UnknownModelError
from core.store.base import ConversationInfo, StoredMessage
from core.threads import Threads

_OTHERS = 50
_TITLE = 60
_DISCORD_DM = "@me"


class PlaygroundMemory:
    """Reads stored conversations for the page."""

    def __init__(self, threads: Threads) -> None:
        self._threads = threads

    async def load(self, place: dict[str, str]) -> ConversationView:
        """Give the conversation of a place, stored or not, and the others of its platform."""
        keys = find_keys(place)
        found = [info for key in keys if (info := await self._threads.find(key))]
        info = found[0] if found else None
        key = info.key if info else keys[0]
        history = await self._threads.history(key) if info else ()
        others = await self._threads.recent(place["platform"], limit=_OTHERS)
        layers = await self._threads.recall.load_layers(key)
        return ConversationView(
            is_stored=info is not None,
            workspace=key.workspace,
            channel=key.channel,
            thread=key.thread,
            model=await self._model_name(key),
            system_prompt="\n\n".join(layer.text for layer in layers),
            messages=[_message_view(entry) for entry in history],
            others=[_choice(other) for other in others],
        )

    async def _model_name(self, key: ThreadKey) -> str:
        try:
            return str(await self._threads.get_model(key))
        except UnknownModelError as error:
            return error.name


def find_keys(place: dict[str, str]) -> list[ThreadKey]:
    """Give the keys that a place of the page can stand for, the likeliest first."""
    platform, workspace, channel = place["platform"], place["workspace"], place["channel"]
    if platform == "discord" and place["parent"]:
        return [ThreadKey(platform, workspace, place["parent"], channel)]
    key = ThreadKey(platform, workspace, channel, place["thread"])
    if platform == "discord":
        return [key, ThreadKey(platform, _DISCORD_DM, channel)]
    return [key]


def _message_view(entry: StoredMessage) -> StoredMessageView:
    message = entry.message
    named = [f"📎 {attachment.name}" for attachment in message.attachments]
    return StoredMessageView(
        role=message.role,
        author=message.author.name if message.author else "",
        text="\n".join(filter(None, (message.text, *named))),
        is_sent=entry.is_sent,
        model=message.model or "",
    )


def _choice(info: ConversationInfo) -> ConversationChoice:
    title = " ".join(info.first_text.split())
    return ConversationChoice(
        workspace=info.key.workspace,
        channel=info.key.channel,
        thread=info.key.thread,
        title=f"{title[:_TITLE]}…" if len(title) > _TITLE else title,
        message_count=info.message_count,
    )
