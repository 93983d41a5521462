"""Health, for whoever watches the process: `/livez` and `/readyz`, with `/healthz` as its other name."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from aiohttp import web

from bots.http.readiness import Part, Readiness, Report


class Health:
    """The pages. They tell states and seconds, and nothing that must not be read by others."""

    def __init__(self, readiness: Readiness) -> None:
        self._readiness = readiness

    def routes(self) -> Iterable[web.AbstractRouteDef]:
        """Give the paths."""
        return (
            web.get("/livez", self._answer_alive),
            web.get("/readyz", self._answer_ready),
            web.get("/healthz", self._answer_ready),
        )

    async def _answer_alive(self, _: web.Request) -> web.Response:
        """Say that the event loop turns: it had to, for this."""
        return web.json_response({"status": "alive"})

    async def _answer_ready(self, _: web.Request) -> web.Response:
        report = self._readiness.report()
        status = 200 if report.status == "ready" else 503
        return web.json_response(render_report(report), status=status)


def render_report(report: Report) -> dict[str, Any]:
    """Give a report as JSON."""
    parts = {part.name: _render_part(part) for part in report.parts}
    return {"status": report.status, "parts": parts}


def _render_part(part: Part) -> dict[str, Any]:
    if part.down_for is None:
        return {"state": part.state}
    return {"state": part.state, "down_seconds": round(part.down_for.total_seconds())}
