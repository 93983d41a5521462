"""What servers tell of their models, in each server's own form. Pure.

- vLLM: max_model_len
- OpenRouter: context_length, architecture.input_modalities
- Together: context_length; Groq: context_window; Vercel: context_window, tags "vision"
- Fireworks: context_length, supports_image_input
- Mistral: max_context_length, capabilities.vision, capabilities.completion_chat
- Anthropic: max_input_tokens, capabilities.image_input.supported
- LM Studio: /api/v1/models with key, type, capabilities.vision, loaded_instances[].config.context_length;
  before 0.4 /api/v0/models with type "vlm", loaded_context_length, max_context_length
- llama.cpp: meta.n_ctx, and beside the list the same models with capabilities "multimodal"
- Ollama: /api/show with capabilities, and num_ctx among the parameters
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, cast

_NO_CHAT = (
    *("embed", "rerank", "moderation", "-ocr", "whisper", "tts", "transcribe", "audio", "realtime"),
    *("-live", "voxtral", "image", "imagen", "dall-e", "veo-", "sora", "davinci", "babbage", "ft:"),
)
"""Parts of the names of models that do not chat; many servers list them among the others."""
_NO_CHAT_TYPES = ("embedding", "embeddings", "image", "audio", "rerank", "moderation", "transcribe")
_WINDOWS = (
    "max_model_len",
    "loaded_context_length",
    "context_length",
    "context_window",
    "max_input_tokens",
    "max_context_length",
)
_UNLOADED_TOKENS = 4_096
"""What LM Studio gives a model by default that it loads for a question, whatever the model can."""
_NUM_CTX = re.compile(r"^\s*num_ctx\s+(\d+)\s*$", re.MULTILINE)

Json = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Listed:
    """What a server tells of a model; None where it tells nothing."""

    window_tokens: int | None = None
    sees: bool | None = None
    """Whether it takes images."""


def parse_list(told: object) -> dict[str, Listed]:
    """Read a list of models. Raises LookupError, TypeError and AttributeError where it is none."""
    found: dict[str, Listed] = {}
    beside = _read_beside(told)
    for model in _find_list(told):
        name = str(model.get("id") or model["key"]).removeprefix("models/")  # as Gemini names them
        if _chats(name, model):
            sees = _read_sight(model)
            found[name] = Listed(_read_window(model), beside.get(name) if sees is None else sees)
    return found


def parse_ollama(told: Json) -> Listed | None:
    """Read what Ollama shows of a model; None for one that does not chat.

    The window is the one that the model is set to; without such a setting it depends on the server.
    """
    abilities = told.get("capabilities")
    set_to = _NUM_CTX.search(str(told.get("parameters") or ""))
    window = int(set_to[1]) if set_to else None
    if not isinstance(abilities, list):
        return Listed(window)
    return Listed(window, "vision" in abilities) if "completion" in abilities else None


def _find_list(told: object) -> Iterator[Json]:
    listed: object = told
    if isinstance(told, Mapping):
        answer = cast("Json", told)
        listed = answer["data"] if "data" in answer else answer["models"]
    if not isinstance(listed, list):
        raise TypeError("no list of models")
    yield from cast("list[Json]", listed)


def _read_beside(told: object) -> dict[str, bool]:
    """Read what llama.cpp says of sight, which is beside its list."""
    if not isinstance(told, Mapping) or "data" not in told or "models" not in told:
        return {}
    models = cast("Json", told)["models"]
    return {
        str(model.get("name")): "multimodal" in model["capabilities"]
        for model in (cast("list[Json]", models) if isinstance(models, list) else [])
        if isinstance(model.get("capabilities"), list)
    }


def _chats(name: str, model: Json) -> bool:
    abilities = model.get("capabilities")
    if isinstance(abilities, Mapping) and cast("Json", abilities).get("completion_chat") is False:
        return False
    kind = str(model.get("type") or "").lower()
    return kind not in _NO_CHAT_TYPES and is_chat_name(name)


def is_chat_name(name: str) -> bool:
    """Whether a model may chat, by its name."""
    lowered = name.lower()
    return not any(part in lowered for part in _NO_CHAT)


def _read_window(model: Json) -> int | None:
    instances = model.get("loaded_instances")
    loaded = cast("list[Json]", instances) if isinstance(instances, list) else []
    told = [
        *(each["config"].get("context_length") for each in loaded),
        *(model.get(name) for name in _WINDOWS),
        _read_path(model, "meta", "n_ctx"),
    ]
    window = next((each for each in told if isinstance(each, int) and each > 0), None)
    is_unloaded = (
        loaded == [] if "loaded_instances" in model else model.get("state") == "not-loaded"
    )
    return min(window, _UNLOADED_TOKENS) if window and is_unloaded else window


def _read_sight(model: Json) -> bool | None:
    modalities = _read_path(model, "architecture", "input_modalities")
    if isinstance(modalities, list):
        return "image" in modalities
    if isinstance(tags := model.get("tags"), list):
        return "vision" in tags
    for told in (
        _read_path(model, "capabilities", "vision"),
        _read_path(model, "capabilities", "image_input", "supported"),
        model.get("supports_image_input"),
    ):
        if isinstance(told, bool):
            return told
    kind = model.get("type")
    return kind == "vlm" if kind in ("vlm", "llm") and "max_context_length" in model else None


def _read_path(model: Json, *path: str) -> object:
    found: object = model
    for name in path:
        if not isinstance(found, Mapping):
            return None
        found = found.get(name)
    return found
