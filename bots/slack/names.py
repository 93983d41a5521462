"""The names behind user ids, looked up once and kept for a while. No look-up ever stops a message."""

from __future__ import annotations

import asyncio
import logging
import time
from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from datetime import timedelta
from typing import Any

from slack_sdk.web.async_client import AsyncWebClient

from bots.delivery import SlowDownError
from bots.slack.api import answer_of
from core.errors import SkeinError

log = logging.getLogger("skein.slack")

_MAX_LOOKUPS = 20
"""How many look-ups may run at once: `users.info` is limited to 100 a minute."""


class Names:
    """Names by user id. What cannot be looked up in time is left out, and tried again later."""

    def __init__(
        self,
        client: AsyncWebClient,
        *,
        size: int = 5_000,
        lifetime: timedelta = timedelta(hours=1),
        retry_after: timedelta = timedelta(minutes=5),
        patience: timedelta = timedelta(seconds=1),
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._client = client
        self._size = size
        self._lifetime = lifetime.total_seconds()
        self._retry_after = retry_after.total_seconds()
        self._patience = patience.total_seconds()
        self._clock = clock
        self._known: OrderedDict[str, tuple[str, float]] = OrderedDict()
        self._lookups: dict[str, asyncio.Task[None]] = {}

    async def find(self, user_ids: Iterable[str]) -> dict[str, str]:
        """Give the names that are known, or become so within the patience."""
        ids = tuple(user_ids)
        lookups = [task for id_ in ids if (task := self._start_lookup(id_))]
        if lookups:
            await asyncio.wait(lookups, timeout=self._patience)
        return {id_: name for id_ in ids if (name := self._known.get(id_, ("", 0.0))[0])}

    async def aclose(self) -> None:
        """Give up the look-ups under way."""
        lookups = tuple(self._lookups.values())
        for task in lookups:
            task.cancel()
        for task in lookups:
            with suppress(asyncio.CancelledError):
                await task

    def _start_lookup(self, user_id: str) -> asyncio.Task[None] | None:
        """Start to look up a name that is unknown or too old, unless that is under way."""
        if self._known.get(user_id, ("", 0.0))[1] > self._clock():
            return None
        if user_id not in self._lookups and len(self._lookups) < _MAX_LOOKUPS:
            task = asyncio.create_task(self._look_up(user_id))
            self._lookups[user_id] = task
            task.add_done_callback(lambda _: self._lookups.pop(user_id, None))
        return self._lookups.get(user_id)

    async def _look_up(self, user_id: str) -> None:
        name, lifetime = self._known.get(user_id, ("", 0.0))[0], self._retry_after
        try:
            answer = await answer_of(self._client.users_info(user=user_id))
            name, lifetime = read_name(answer), self._lifetime
        except SlowDownError as error:
            lifetime = error.retry_after.total_seconds()
        except SkeinError as error:
            log.info("Slack: no name for %s: %s", user_id, error)
        self._keep(user_id, name, self._clock() + lifetime)

    def _keep(self, user_id: str, name: str, until: float) -> None:
        self._known[user_id] = (name, until)
        self._known.move_to_end(user_id)
        while len(self._known) > self._size:
            self._known.popitem(last=False)


def read_name(answer: Mapping[str, Any]) -> str:
    """Take the name that people see out of `users.info`'s answer; empty if there is none."""
    user: Mapping[str, Any] = answer.get("user") or {}
    profile: Mapping[str, Any] = user.get("profile") or {}
    candidates = (
        profile.get("display_name"),
        profile.get("real_name"),
        user.get("real_name"),
        user.get("name"),
    )
    return next((str(name).strip() for name in candidates if name and str(name).strip()), "")
