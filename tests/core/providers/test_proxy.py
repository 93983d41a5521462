"""How model servers are reached: by the environment's proxies, and with no password from elsewhere."""

from __future__ import annotations

import asyncio
import logging
from io import StringIO
from pathlib import Path

import pytest

from core.app import open_models
from core.conversation import Message
from core.errors import UnreachableError
from core.logs import configure_logs
from core.providers.base import Request
from core.providers.wire.proxy import find_proxy
from core.settings import load_settings
from tests.core.providers.scripted_server import ScriptedModelServer


@pytest.fixture(autouse=True)
def no_proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


def test_the_environment_names_the_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://proxy.example:3128")
    monkeypatch.setenv("NO_PROXY", "models.internal.example")
    assert find_proxy("https://api.openai.com/v1") == "http://proxy.example:3128"
    assert find_proxy("https://models.internal.example/v1") is None
    assert find_proxy("http://api.example/v1") is None
    assert find_proxy("https://localhost:8000/v1") is None


async def test_a_password_in_netrc_is_sent_to_no_model_server(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("default login me password hunter2\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    async with ScriptedModelServer() as server:
        settings = await asyncio.to_thread(
            load_settings,
            use_environment=False,
            openai_api_key="sk-test",
            openai_base_url=server.openai_url,
            anthropic_api_key="key-test",
            anthropic_base_url=server.anthropic_url,
            ollama_base_url=server.ollama_url,
        )
        async with open_models(settings) as models:
            for name in ("openai/scripted-small", "anthropic/scripted-small"):
                ref = models.get_model(name)
                request = Request(ref.model, (Message.user("hi"),))
                async with models.stream(ref, request) as chunks:
                    assert [chunk async for chunk in chunks]
        openai, anthropic = server.requests
        assert openai.headers["authorization"] == "Bearer sk-test"
        assert "authorization" not in anthropic.headers


@pytest.mark.parametrize("scheme", ["http://", ""])
async def test_a_proxys_password_gets_into_no_error_and_no_log(
    monkeypatch: pytest.MonkeyPatch, scheme: str
) -> None:
    def refuse(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 407 Who are you?\r\nContent-Length: 0\r\n\r\n")
        writer.close()

    log = StringIO()
    async with await asyncio.start_server(refuse, "127.0.0.1") as proxy:
        port = proxy.sockets[0].getsockname()[1]
        monkeypatch.setenv("HTTPS_PROXY", f"{scheme}me:hunter%322@127.0.0.1:{port}")
        settings = await asyncio.to_thread(
            load_settings, use_environment=False, openai_api_key="sk-test", max_attempts=1
        )
        configure_logs("debug", "text", (), log)
        async with open_models(settings) as models:
            ref = models.default
            with pytest.raises(UnreachableError) as failed:
                async with models.stream(ref, Request(ref.model, (Message.user("hi"),))):
                    pass
        logging.getLogger("skein.test").error("It fails.", exc_info=failed.value)
    told = str(failed.value) + log.getvalue()
    assert "It fails." in told
    assert "hunter" not in told
