"""Which proxy an address is reached through, by HTTPS_PROXY, HTTP_PROXY and NO_PROXY.

aiohttp would read these by itself, but then also ~/.netrc, whose passwords it sends in place of a key.
"""

from __future__ import annotations

from urllib.parse import unquote, urlsplit
from urllib.request import getproxies, proxy_bypass

_THIS_MACHINE = frozenset(("localhost", "127.0.0.1", "::1"))


def find_proxy(url: str) -> str | None:
    """Give the proxy of an address; this machine is reached without one."""
    parts = urlsplit(url)
    host = parts.hostname or ""
    if host in _THIS_MACHINE or proxy_bypass(host):
        return None
    return getproxies().get(parts.scheme) or None


def list_proxy_passwords() -> frozenset[str]:
    """Give the passwords of all proxies, as they are and as they are written, to be kept out of logs."""
    found = {_find_password(url) for url in getproxies().values()} - {""}
    return frozenset(found | set(map(unquote, found)))


def _find_password(url: str) -> str:
    userinfo, at, _ = url.rpartition("://")[2].rpartition("@")
    return userinfo.partition(":")[2] if at else ""
