"""The HTTP server: opens the port, and serves whatever pages it is given."""

from __future__ import annotations

import errno
import logging
import socket
from collections.abc import AsyncGenerator, Iterable, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Protocol

from aiohttp import hdrs, web
from aiohttp.http_exceptions import HttpProcessingError

from core.errors import SettingsError

log = logging.getLogger("skein.http")

CLOSING = timedelta(seconds=2)
"""How long requests under way may take once the service closes."""

_NO_SUCH_HOST = "this machine has no such address"
_PROBLEMS = {
    errno.EADDRINUSE: ("HTTP_PORT", "another program uses port {port} of {host}"),
    errno.EACCES: ("HTTP_PORT", "port {port} may not be opened by this user"),
    errno.EADDRNOTAVAIL: ("HTTP_HOST", _NO_SUCH_HOST),
}
_MENDS = {
    "HTTP_PORT": "Choose another port, 0 for any that is free, or leave it empty for none.",
    "HTTP_HOST": "Use an address of this machine: 127.0.0.1, or 0.0.0.0 for all.",
}


class Page(Protocol):
    """A part of the service with paths of its own."""

    def routes(self) -> Iterable[web.AbstractRouteDef]:
        """Give the paths and who answers them."""
        ...


@asynccontextmanager
async def serve_pages(pages: Sequence[Page], host: str, port: int) -> AsyncGenerator[list[str]]:
    """Serve until the context ends, and give the addresses; port 0 lets the system choose.

    Raises SettingsError, which names the variable, where the port cannot be opened.
    """
    app = web.Application()
    app.on_response_prepare.append(_complete_headers)
    for page in pages:
        app.add_routes(page.routes())
    request_log = logging.getLogger("skein.http.requests")
    request_log.addFilter(_is_worth_a_line)
    runner = web.AppRunner(
        app, access_log=None, logger=request_log, shutdown_timeout=CLOSING.total_seconds()
    )
    await runner.setup()
    try:
        await _listen(runner, host, port)
        urls = [_render_url(*address[:2]) for address in runner.addresses]
        log.info("http: listening on %s", ", ".join(urls))
        yield urls
    finally:
        await runner.cleanup()


async def _listen(runner: web.AppRunner, host: str, port: int) -> None:
    try:
        await web.TCPSite(runner, host, port).start()
    except (OSError, UnicodeError) as error:
        raise _explain(error, host, port) from error


def _explain(error: OSError | UnicodeError, host: str, port: int) -> SettingsError:
    """Say which variable is wrong. What cannot be looked up is no address."""
    if isinstance(error, UnicodeError | socket.gaierror):
        variable, problem = "HTTP_HOST", _NO_SUCH_HOST
    else:
        unknown = ("HTTP_PORT", f"port {port} of {host} cannot be opened: {error.strerror}")
        variable, problem = _PROBLEMS.get(error.errno or 0, unknown)
    return SettingsError(variable, problem.format(port=port, host=host), _MENDS[variable])


def _render_url(host: str, port: int) -> str:
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def _is_worth_a_line(record: logging.LogRecord) -> bool:
    """Leave out what is no HTTP: whoever knocks at all ports would fill the log with tracebacks."""
    return not (record.exc_info and isinstance(record.exc_info[1], HttpProcessingError))


async def _complete_headers(_: web.Request, response: web.StreamResponse) -> None:
    """Let nothing be kept by a cache, and name no library and its version."""
    response.headers[hdrs.SERVER] = "Skein"
    response.headers.setdefault(hdrs.CACHE_CONTROL, "no-store")
