"""Keeps other websites out: a page on this machine must not be drivable by a foreign one.

A browser sends a foreign page's requests with that page's Origin, and after DNS rebinding with a
foreign Host. The bots' SDKs send neither, so one check covers the simulated platforms too.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from ipaddress import ip_address
from urllib.parse import urlsplit

from aiohttp import web

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

CONTENT_SECURITY_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
    "img-src 'self' data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)


@web.middleware
async def refuse_foreigners(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Answer 403 to a request that names another host, or that a page from elsewhere makes."""
    host = request.headers.get("Host", "")
    if not _is_loopback(host):
        raise web.HTTPForbidden(text="This server answers on 127.0.0.1 and localhost only.\n")
    origin = request.headers.get("Origin")
    if origin is not None and origin != f"http://{host}":
        raise web.HTTPForbidden(text="Requests from other websites are refused.\n")
    if request.headers.get("Sec-Fetch-Site") == "cross-site" and request.path != "/":
        raise web.HTTPForbidden(text="Requests from other websites are refused.\n")
    return await handler(request)


def _is_loopback(host: str) -> bool:
    try:
        name = urlsplit(f"//{host}").hostname or ""
        return name == "localhost" or ip_address(name).is_loopback
    except ValueError:
        return False
