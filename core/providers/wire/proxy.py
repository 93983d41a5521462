"""Which proxy an address is reached through, by HTTPS_PROXY, HTTP_PROXY and NO_PROXY.

aiohttp would read these by itself, but then also ~/.netrc, whose passwords it sends in place of a key.
"""

from __future__ import annotations

from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

_THIS_MACHINE = frozenset(("localhost", "127.0.0.1", "::1"))


def find_proxy(url: str) -> str | None:
    """Give the proxy of an address; this machine is reached without one."""
    parts = urlsplit(url)
    host = parts.hostname or ""
    if host in _THIS_MACHINE or proxy_bypass(host):
        return None
    return getproxies().get(parts.scheme) or None
