"""What the next question of a conversation would send, for people to see."""

from __future__ import annotations

from dataclasses import dataclass, replace

from core.conversation import Message, ThreadKey
from core.memory.context import Fitted
from core.memory.memory import Loaded, Memory
from core.memory.prompts import Layer
from core.tokens import estimate_message_tokens


@dataclass(frozen=True, slots=True)
class Outlook:
    """What would be sent. Sizes are tokens as the model counts them."""

    loaded: Loaded
    fitted: Fitted
    layers: tuple[Layer, ...]

    @property
    def said(self) -> tuple[Message, ...]:
        """The messages that would be sent as they were said."""
        return self.fitted.said[:-1]

    def count(self, estimated: int) -> int:
        """Convert estimated tokens into the model's."""
        return round(estimated * self.loaded.room.ratio)

    @property
    def left_out_count(self) -> int:
        """How many messages neither go along nor are summarized."""
        first = self.said[0].position if self.said else 0
        return max(0, first - 1 - self.loaded.remembered.summarized_until) if first else 0

    @property
    def lost_pin_count(self) -> int:
        """How many pins do not fit."""
        sent = {message.position for message in self.said} | {None}
        own = {pin.number for pin in self.fitted.pins}
        return sum(
            1
            for pin in self.loaded.remembered.pins
            if pin.number not in own and (pin.position not in sent or pin.position is None)
        )

    @property
    def said_tokens(self) -> int:
        """What the messages take."""
        return self.count(sum(map(estimate_message_tokens, self.said)))


async def look_ahead(memory: Memory, key: ThreadKey) -> Outlook | None:
    """Say what the next question in a conversation would send. None where nothing is known of it."""
    try:
        loaded = await memory.load(key)
    except KeyError:
        return None
    conversation = loaded.conversation
    question = Message.user("")
    loaded = replace(
        loaded, conversation=replace(conversation, messages=[*conversation.messages, question])
    )
    prepared = await memory.prepare(loaded, None)
    layers = await memory.stack(key, loaded.remembered.system_prompt)
    return Outlook(loaded, prepared.fitted, layers)
