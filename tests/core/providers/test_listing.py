"""What servers tell of their models is read in each server's own form."""

from __future__ import annotations

from typing import Any

import pytest

from core.providers.known.listing import Listed, parse_list, parse_ollama


@pytest.mark.parametrize(
    ("told", "expected"),
    [
        pytest.param(
            {"data": [{"id": "qwen3", "max_model_len": 40_960}]},
            {"qwen3": Listed(40_960, None)},
            id="vLLM",
        ),
        pytest.param(
            {
                "data": [
                    {
                        "id": "a/sees",
                        "context_length": 128_000,
                        "architecture": {"input_modalities": ["text", "image"]},
                    },
                    {
                        "id": "a/reads",
                        "context_length": 32_000,
                        "architecture": {"input_modalities": ["text"]},
                    },
                ]
            },
            {"a/sees": Listed(128_000, True), "a/reads": Listed(32_000, False)},
            id="OpenRouter",
        ),
        pytest.param(
            [
                {"id": "a/b", "type": "chat", "context_length": 131_072},
                {"id": "x", "type": "image"},
            ],
            {"a/b": Listed(131_072, None)},
            id="Together",
        ),
        pytest.param(
            {
                "data": [
                    {
                        "id": "mistral-small",
                        "max_context_length": 131_072,
                        "capabilities": {"completion_chat": True, "vision": True},
                    },
                    {"id": "mistral-embed", "capabilities": {"completion_chat": False}},
                ]
            },
            {"mistral-small": Listed(131_072, True)},
            id="Mistral",
        ),
        pytest.param(
            {
                "data": [
                    {"id": "models/gemini-x"},
                    {"id": "models/imagen-4"},
                    {"id": "models/veo-3"},
                ]
            },
            {"gemini-x": Listed()},
            id="Gemini",
        ),
        pytest.param(
            {
                "data": [
                    {"id": "a/b", "type": "language", "context_window": 9_000, "tags": ["vision"]}
                ]
            },
            {"a/b": Listed(9_000, True)},
            id="Vercel",
        ),
        pytest.param(
            {"data": [{"id": "llama", "context_window": 8_192}, {"id": "whisper-large-v3"}]},
            {"llama": Listed(8_192, None)},
            id="Groq",
        ),
        pytest.param(
            {"data": [{"id": "m", "context_length": 4_096, "supports_image_input": False}]},
            {"m": Listed(4_096, False)},
            id="Fireworks",
        ),
        pytest.param(
            {
                "data": [{"id": "gemma.gguf", "meta": {"n_ctx": 8_192, "n_ctx_train": 131_072}}],
                "models": [{"name": "gemma.gguf", "capabilities": ["completion", "multimodal"]}],
            },
            {"gemma.gguf": Listed(8_192, True)},
            id="llama.cpp",
        ),
        pytest.param(
            {
                "models": [
                    {
                        "key": "qwen3-vl",
                        "type": "llm",
                        "max_context_length": 262_144,
                        "capabilities": {"vision": True},
                        "loaded_instances": [{"id": "x", "config": {"context_length": 16_000}}],
                    },
                    {"key": "nomic", "type": "embedding", "loaded_instances": []},
                    {
                        "key": "sleeping",
                        "type": "llm",
                        "max_context_length": 262_144,
                        "capabilities": {"vision": False},
                        "loaded_instances": [],
                    },
                ]
            },
            {"qwen3-vl": Listed(16_000, True), "sleeping": Listed(4_096, False)},
            id="LM Studio",
        ),
        pytest.param(
            {
                "data": [
                    {
                        "id": "qwen2-vl",
                        "type": "vlm",
                        "state": "loaded",
                        "loaded_context_length": 8_000,
                        "max_context_length": 32_768,
                    },
                    {
                        "id": "llama",
                        "type": "llm",
                        "state": "not-loaded",
                        "max_context_length": 131_072,
                    },
                    {"id": "text-nomic", "type": "embeddings", "max_context_length": 2_048},
                ]
            },
            {"qwen2-vl": Listed(8_000, True), "llama": Listed(4_096, False)},
            id="LM Studio before 0.4",
        ),
    ],
)
def test_each_servers_list_is_read(told: object, expected: dict[str, Listed]) -> None:
    assert parse_list(told) == expected


@pytest.mark.parametrize("told", [None, 3, "x", {}, {"data": None}, {"data": [3]}, {"data": [{}]}])
def test_what_is_no_list_raises_what_is_known(told: object) -> None:
    with pytest.raises((LookupError, TypeError, AttributeError)):
        parse_list(told)


@pytest.mark.parametrize(
    "odd",
    [
        {"id": "m", "max_model_len": "many", "architecture": "x", "capabilities": 3, "meta": []},
        {"id": "m", "context_length": -1, "architecture": {"input_modalities": None}},
        {"id": "m", "context_length": None, "type": None},
    ],
)
def test_odd_facts_are_unknown(odd: dict[str, Any]) -> None:
    assert parse_list({"data": [odd]}) == {"m": Listed()}


def test_ollama_says_who_sees_and_what_a_model_is_set_to() -> None:
    shown = {"capabilities": ["completion", "vision"], "parameters": 'stop "x"\nnum_ctx    16384\n'}
    assert parse_ollama(shown) == Listed(16_384, True)
    assert parse_ollama({"capabilities": ["completion", "tools"]}) == Listed(None, False)
    assert parse_ollama({"capabilities": ["embedding"]}) is None
    assert parse_ollama({"details": {}}) == Listed()
