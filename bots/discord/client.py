"""discord.py, pointed at a server, logged in, and held on its gateway."""

from __future__ import annotations

import asyncio
import logging
import random
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import aiohttp
import discord
import yarl
from discord.gateway import DiscordWebSocket, KeepAliveHandler
from discord.http import Route

from bots.discord.calm import calm_waits
from bots.discord.lenient import (
    complete_application,
    complete_channel,
    complete_message,
    guard_parsers,
    read_leniently,
)
from core.errors import SettingsError, TokenRefusedError

log = logging.getLogger("skein.discord")

TOKEN_VARIABLE = "DISCORD_BOT_TOKEN"  # noqa: S105 -- the variable's name
LOGIN_SECONDS = 60.0
LONGEST_BACK_OFF_SECONDS = 60.0
LONGEST_SILENT_RATE_LIMIT_SECONDS = 30.0
"""discord.py waits this long for a rate limit by itself; a longer one it raises. It takes no less."""
LONGEST_SILENCE_SECONDS = 60.0
"""A gateway from which nothing comes for so long is dead: heartbeats are due, and answered, every 41 s."""

_LEAVE_SECONDS = 2.0
_GUILDS_SECONDS = 15.0
_BETWEEN_IDENTIFIES_SECONDS = 5.0
_CONTENT_INTENT_REFUSED = (
    "Discord refuses the Message Content intent: mentions and direct messages are answered, other "
    "messages (DISCORD_CHANNELS, follow-ups in threads) cannot be read. Switch it on in the "
    "developer portal, under Bot, Privileged Gateway Intents."
)
_REASONS = {
    4004: "the token is not valid (any more)",
    4010: "the gateway refuses the shard",
    4011: "the bot is in too many servers for one connection",
    4012: "the gateway speaks another version",
    4013: "the gateway refuses the intents",
    4014: "the gateway refuses the intents, even without Message Content",
}


class BotClient(discord.Client):
    """A discord.py client whose gateway can be left while its REST side goes on.

    It caches no members and no messages: what matters is in the store.
    """

    def __init__(self) -> None:
        # Nobody who reads the log misses voice.
        discord.VoiceClient.warn_nacl = discord.VoiceClient.warn_dave = False
        super().__init__(
            intents=discord.Intents(
                guilds=True, guild_messages=True, dm_messages=True, message_content=True
            ),
            allowed_mentions=discord.AllowedMentions.none(),
            max_messages=None,
            member_cache_flags=discord.MemberCacheFlags.none(),
            chunk_guilds_at_startup=False,
            guild_ready_timeout=0,
            heartbeat_timeout=LONGEST_SILENCE_SECONDS,
            max_ratelimit_timeout=LONGEST_SILENT_RATE_LIMIT_SECONDS,
        )
        self._leaving = asyncio.Event()
        self._left = asyncio.Event()
        self._guild_came = asyncio.Event()
        self._socket: aiohttp.ClientWebSocketResponse | None = None
        self._open_socket = self.http.ws_connect
        self.http.ws_connect = self._remember_socket
        self._ask_channel = self.http.get_channel
        self.http.get_channel = self._load_channel
        self._ask_messages = self.http.logs_from
        self.http.logs_from = self._load_messages
        guard_parsers(self._connection.parsers)

    def is_closed(self) -> bool:
        """Whether the gateway was left for good; discord.py reconnects until then."""
        return self._leaving.is_set() or super().is_closed()

    async def application_info(self) -> discord.AppInfo:
        """Ask for the application, of which nothing but the id matters: a server need not tell."""
        try:
            data = await self.http.application_info()
        except discord.NotFound:
            data = {}
        bot_id = self.user.id if self.user else 0
        return discord.AppInfo(self._connection, complete_application({**data}, bot_id))

    async def hold_gateway(self) -> None:
        """Receive events until `leave`. Raises TokenRefusedError when Discord ends it for good."""
        back_off = iterate_back_off()
        while not self.is_closed():
            began = time.monotonic()
            try:
                await self._connect_until_left()
            except discord.PrivilegedIntentsRequired as error:
                self._give_up_content_intent(error)
            except discord.ConnectionClosed as error:
                raise _refused(error.code) from error
            except Exception:
                # Where the first connection never stood, discord.py fails looking for what to resume.
                level = logging.ERROR if self.ws else logging.DEBUG
                log.log(level, "Discord: the connection failed; trying again", exc_info=True)
                self.dispatch("disconnect")  # discord.py tells only of the failures that it expects
                if time.monotonic() - began > LONGEST_BACK_OFF_SECONDS:
                    back_off = iterate_back_off()
                await self.pause(next(back_off))

    async def wait_until_left(self, receiving: asyncio.Task[None]) -> None:
        """Wait for `leave`, or for the end of a task that holds the gateway, or is to hold it."""
        leaving = asyncio.create_task(self._left.wait())
        try:
            await asyncio.wait({receiving, leaving}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            leaving.cancel()

    async def leave(self) -> None:
        """Leave the gateway; `hold_gateway` returns. REST calls still work."""
        self._left.set()
        self._leaving.set()
        self._guild_came.set()
        await self._close_socket()

    async def wait_for_guilds(self) -> None:
        """Wait until every server has told its channels, for READY comes before; one may be down, though."""
        with suppress(TimeoutError):
            async with asyncio.timeout(_GUILDS_SECONDS):
                while any(guild.unavailable for guild in self.guilds) and not self.is_closed():
                    self._guild_came.clear()
                    await self._guild_came.wait()

    async def on_guild_available(self, _: discord.Guild) -> None:
        """Take note that a server told its channels."""
        self._guild_came.set()

    async def on_guild_join(self, _: discord.Guild) -> None:
        """Take note of the same, where a server does not say that it was down before."""
        self._guild_came.set()

    async def before_identify_hook(self, shard_id: int | None, *, initial: bool = False) -> None:
        """Leave Discord the 5 seconds that it wants between two identifies, unless we leave."""
        if not initial:
            await self.pause(_BETWEEN_IDENTIFIES_SECONDS)

    async def on_error(self, event_method: str, /, *args: Any, **kwargs: Any) -> None:
        """Log what a handler raised; the bot goes on."""
        log.exception("Discord: %s failed", event_method)

    async def _connect_until_left(self) -> None:
        """Connect; on `leave`, end waits that discord.py would not end by itself (back-off)."""
        connecting = asyncio.create_task(self.connect())
        leaving = asyncio.create_task(self._leaving.wait())
        try:
            await asyncio.wait({connecting, leaving}, return_when=asyncio.FIRST_COMPLETED)
        except asyncio.CancelledError:
            self._leaving.set()
            raise
        finally:
            leaving.cancel()
            await self._close_socket()
            await asyncio.wait({connecting}, timeout=_LEAVE_SECONDS)
            connecting.cancel()
            await asyncio.wait({connecting, leaving})
            if not self._left.is_set():  # another connection may follow
                self._leaving.clear()
            failure = None if connecting.cancelled() else connecting.exception()
        if failure is not None and not self._leaving.is_set():
            raise failure

    async def _load_channel(self, channel_id: str | int) -> Any:
        return complete_channel({**await self._ask_channel(channel_id)})

    async def _load_messages(self, *which: Any, **more: Any) -> Any:
        messages: Any = await self._ask_messages(*which, **more)
        return [complete_message(message) for message in messages]

    async def _remember_socket(
        self, url: str, *, compress: int = 0
    ) -> aiohttp.ClientWebSocketResponse:
        """Keep the socket from its beginning: discord.py knows it only once it is identified."""
        self._socket = socket = await self._open_socket(url, compress=compress)
        if self._leaving.is_set():
            await self._close_socket()
        return socket

    async def _close_socket(self) -> None:
        self._stop_heartbeat()
        if self._socket is not None and not self._socket.closed:
            with suppress(OSError, aiohttp.ClientError, TimeoutError):
                async with asyncio.timeout(_LEAVE_SECONDS):
                    await self._socket.close(code=1000)

    def _stop_heartbeat(self) -> None:
        """End the thread that beats on this socket: discord.py forgets it if it is stopped midway."""
        for thread in threading.enumerate():
            if isinstance(thread, KeepAliveHandler) and thread.ws.socket is self._socket:
                thread.stop()

    async def pause(self, seconds: float) -> None:
        """Wait so long, or until the gateway is left."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._leaving.wait()

    def _give_up_content_intent(self, error: discord.PrivilegedIntentsRequired) -> None:
        if not self.intents.message_content:
            raise _refused(4014) from error
        log.warning(_CONTENT_INTENT_REFUSED)
        # A second client would cost a second login, and the replies under way their connection.
        self._connection._intents.message_content = False  # pyright: ignore[reportPrivateUsage]


def point_at(api_url: str, gateway_url: str | None = None) -> None:
    """Send what discord.py does to a server's API, and its first connection to that server's gateway.

    discord.py keeps both in class variables: one process talks to one Discord at a time.
    """
    Route.BASE = api_url
    if gateway_url is not None:
        DiscordWebSocket.DEFAULT_GATEWAY = yarl.URL(gateway_url)


async def log_in(token: str, api_url: str) -> BotClient:
    """Log a new client in, however often it takes, and ask where the gateway is.

    Raises TokenRefusedError when Discord refuses the token, and SettingsError when what answers is
    not Discord.
    """
    if not token.isascii() or len(token.split()) != 1:
        raise TokenRefusedError("Discord", TOKEN_VARIABLE, "this is no bot token")
    calm_waits()
    read_leniently()
    point_at(api_url)
    for seconds in iterate_back_off():
        client = BotClient()
        try:
            await _try_log_in(client, token, api_url)
        except (discord.DiscordException, OSError, aiohttp.ClientError) as error:
            wait = max(seconds, _read_wait(error, api_url))
        else:
            return client
        await asyncio.sleep(wait)
    raise AssertionError("back-off never ends")


async def _try_log_in(client: BotClient, token: str, api_url: str) -> None:
    try:
        async with asyncio.timeout(LOGIN_SECONDS):
            await client.login(token)
            point_at(api_url, await _find_gateway(client))
    except (KeyError, TypeError) as error:
        await client.close()
        raise _no_discord(api_url, "something else") from error
    except BaseException:
        await client.close()
        raise


async def _find_gateway(client: BotClient) -> str:
    try:
        return (await client.http.request(Route("GET", "/gateway/bot")))["url"]
    except discord.NotFound:
        return (await client.http.request(Route("GET", "/gateway")))["url"]


def _read_wait(error: Exception, api_url: str) -> float:
    """Say how long Discord wants a failed login to wait. Raises where waiting is no use."""
    if isinstance(error, discord.LoginFailure):
        raise TokenRefusedError("Discord", TOKEN_VARIABLE, "the token is not valid") from error
    if isinstance(error, discord.Forbidden):
        raise TokenRefusedError("Discord", TOKEN_VARIABLE, error.text or "forbidden") from error
    status = error.status if isinstance(error, discord.HTTPException) else 500
    if status < 500 and status not in (408, 429):
        raise _no_discord(api_url, str(status)) from error
    log.warning("Discord cannot be reached: %s; trying again", str(error) or type(error).__name__)
    return _read_retry_after(error)


def _no_discord(api_url: str, answer: str) -> SettingsError:
    mend = "Point it at Discord's API, https://discord.com/api/v10."
    return SettingsError("DISCORD_API_URL", f"{api_url} answers {answer}", mend)


def _read_retry_after(error: Exception) -> float:
    if not isinstance(error, discord.HTTPException):
        return 0.0
    with suppress(KeyError, ValueError):
        return min(float(error.response.headers["Retry-After"]), LONGEST_BACK_OFF_SECONDS)
    return 0.0


def _refused(code: int) -> TokenRefusedError:
    reason = _REASONS.get(code, "the gateway ended the connection for good")
    return TokenRefusedError("Discord", TOKEN_VARIABLE, f"{reason} ({code})")


def iterate_back_off() -> Iterator[float]:
    """Give waits in seconds that double up to a minute, jittered so that clients do not come at once."""
    longest = 1.0
    while True:
        yield random.uniform(longest / 2, longest)  # noqa: S311 -- jitter, no secret
        longest = min(longest * 2, LONGEST_BACK_OFF_SECONDS)
