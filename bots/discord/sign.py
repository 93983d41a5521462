"""The sign on a message that waits: a pair of eyes among its reactions."""

from __future__ import annotations

from collections.abc import Callable

import aiohttp
import discord

from bots.discord.refusing import Refusing
from core.conversation import ThreadKey
from core.errors import DeliveryError

EYES = "👀"


class DiscordSign:
    """Reacts as the bot. A place where it may not is left alone for a while."""

    def __init__(
        self, find_client: Callable[[], discord.Client], refused: Refusing | None = None
    ) -> None:
        self._find_client = find_client
        self._refused = refused or Refusing()

    async def show(self, key: ThreadKey, message_id: str) -> None:
        """Add the eyes. Raises DeliveryError."""
        await self._call(key, message_id, adds=True)

    async def remove(self, key: ThreadKey, message_id: str) -> None:
        """Remove the eyes. Raises DeliveryError."""
        await self._call(key, message_id, adds=False)

    async def _call(self, key: ThreadKey, message_id: str, *, adds: bool) -> None:
        place = key.thread or key.channel
        if self._refused.is_known(place):
            return
        http = self._find_client().http
        method = http.add_reaction if adds else http.remove_own_reaction
        try:
            await method(int(place), int(message_id), EYES)
        except discord.NotFound:
            return  # the message is gone, or the sign is
        except discord.Forbidden as error:
            self._refused.note(place)
            raise DeliveryError(
                f"the bot may not react in channel {place}: {error.text}"
            ) from error
        except (discord.DiscordException, OSError, aiohttp.ClientError, LookupError) as error:
            raise DeliveryError(f"Discord says {str(error) or type(error).__name__}") from error
