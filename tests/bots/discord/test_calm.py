"""discord.py's reconnecting: bounded waits, one line a failure."""

import logging

import discord.client
import pytest

from bots.discord.calm import BoundedBackoff, calm_reconnects


def test_no_wait_is_longer_than_half_a_minute():
    back_off = BoundedBackoff()
    assert max(back_off.delay() for _ in range(200)) <= 32


def test_a_lost_connection_is_one_line(caplog: pytest.LogCaptureFixture):
    calm_reconnects()
    calm_reconnects()
    assert discord.client.ExponentialBackoff is BoundedBackoff
    try:
        raise OSError("nobody there")
    except OSError:
        logging.getLogger("discord.client").exception("Attempting a reconnect in %.2fs", 1.5)
    [record] = caplog.records
    assert record.exc_info is None
    assert record.getMessage() == (
        "lost the gateway (OSError: nobody there); attempting a reconnect in 1.50s"
    )
