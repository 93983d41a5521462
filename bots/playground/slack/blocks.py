"""Block Kit as far as a bot needs it: Slack's limits, the text people see, the buttons they press. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, cast

from bots.playground.base import ActionView
from bots.playground.slack.refusal import RefusedError
from bots.playground.slack.state import Json

MAX_BLOCKS = 50
MAX_MARKDOWN = 12_000
"""All markdown blocks of one message together."""

# docs.slack.dev/reference/block-kit: what each object's text may measure, by its type.
TEXT_LIMITS = {"section": 3_000, "header": 150, "markdown": MAX_MARKDOWN, "button": 75}
MAX_ELEMENTS = {"actions": 25, "context": 10}
MAX_OPTIONS = 100
MAX_OPTION_TEXT = 75
MAX_ACTION_ID = 255
MAX_BUTTON_VALUE = 2_000

KNOWN = frozenset(
    (
        *("actions", "context", "context_actions", "divider", "file", "header", "image", "input"),
        *("markdown", "plan", "rich_text", "section", "table", "task_card", "video"),
    )
)


def read_blocks(value: Any) -> tuple[Json, ...]:
    """Check blocks against Slack's limits and give those without ids one.

    Raises RefusedError `invalid_blocks_format` or `invalid_blocks`, naming each fault by a JSON pointer.
    """
    if value is None:
        return ()
    if not isinstance(value, list):
        raise RefusedError("invalid_blocks_format")
    blocks = cast(list[Any], value)
    problems = list(_find_problems(blocks))
    if problems:
        raise RefusedError("invalid_blocks", *problems)
    return tuple(_with_ids(block, index) for index, block in enumerate(blocks))


def _find_problems(blocks: Sequence[Any]) -> Iterator[str]:
    if len(blocks) > MAX_BLOCKS:
        yield f"[ERROR] no more than {MAX_BLOCKS} items allowed [json-pointer:/blocks]"
    for index, block in enumerate(blocks):
        where = f"/blocks/{index}"
        if not isinstance(block, dict) or cast(Json, block).get("type") not in KNOWN:
            yield f"[ERROR] unsupported type [json-pointer:{where}/type]"
        else:
            yield from _find_block_problems(cast(Json, block), where)
    markdown = sum(len(_plain(block)) for block in blocks if _type(block) == "markdown")
    if markdown > MAX_MARKDOWN:
        yield f"[ERROR] must be less than {MAX_MARKDOWN + 1} characters [json-pointer:/blocks]"


def _find_block_problems(block: Json, where: str) -> Iterator[str]:
    type_ = block["type"]
    yield from _find_text_problems(block, where)
    if type_ == "section" and not _plain(block) and not block.get("fields"):
        yield f"[ERROR] missing required field: text [json-pointer:{where}]"
    elements = _elements(block)
    if len(elements) > MAX_ELEMENTS.get(type_, MAX_OPTIONS):
        yield f"[ERROR] no more than {MAX_ELEMENTS[type_]} items allowed [json-pointer:{where}/elements]"
    for index, element in enumerate(elements):
        yield from _find_element_problems(element, f"{where}/elements/{index}")


def _find_element_problems(element: Json, where: str) -> Iterator[str]:
    yield from _find_text_problems(element, where)
    if len(str(element.get("action_id", ""))) > MAX_ACTION_ID:
        yield f"[ERROR] must be less than {MAX_ACTION_ID + 1} characters [json-pointer:{where}/action_id]"
    if len(str(element.get("value", ""))) > MAX_BUTTON_VALUE:
        yield f"[ERROR] must be less than {MAX_BUTTON_VALUE + 1} characters [json-pointer:{where}/value]"
    options = element.get("options", [])
    if element.get("type") == "static_select" and not 1 <= len(options) <= MAX_OPTIONS:
        yield f"[ERROR] must have 1 to {MAX_OPTIONS} items [json-pointer:{where}/options]"
    for index, option in enumerate(options):
        if not 1 <= len(_plain(option)) <= MAX_OPTION_TEXT:
            pointer = f"{where}/options/{index}/text"
            yield f"[ERROR] must have 1 to {MAX_OPTION_TEXT} characters [json-pointer:{pointer}]"


def _find_text_problems(item: Json, where: str) -> Iterator[str]:
    limit = TEXT_LIMITS.get(str(item.get("type")))
    if limit is not None and len(_plain(item)) > limit:
        yield f"[ERROR] must be less than {limit + 1} characters [json-pointer:{where}/text/text]"


def _with_ids(block: Json, index: int) -> Json:
    complete = {"block_id": f"block_{index}", **block}
    if "accessory" in block:
        return {**complete, "accessory": {"action_id": "action_0", **block["accessory"]}}
    if block["type"] == "actions":
        elements = [
            {"action_id": f"action_{n}", **e} for n, e in enumerate(block.get("elements", []))
        ]
        return {**complete, "elements": elements}
    return complete


def _elements(block: Json) -> list[Json]:
    if block.get("type") == "rich_text":
        return []
    accessory = block.get("accessory")
    return [accessory] if accessory else list(block.get("elements", []))


def _type(item: Any) -> str:
    return str(cast(Json, item).get("type", "")) if isinstance(item, dict) else ""


def _plain(item: Json) -> str:
    """The text of an object, which is either text itself or a text object."""
    text = item.get("text", "")
    return str(text.get("text", "")) if isinstance(text, dict) else str(text or "")


def text_of(blocks: Iterable[Json]) -> str:
    """Give the text that people read in blocks."""
    return "\n".join(filter(None, (_block_text(block) for block in blocks)))


def _block_text(block: Json) -> str:
    match block["type"]:
        case "section":
            return "\n".join(
                filter(None, [_plain(block), *map(_field_text, block.get("fields", []))])
            )
        case "markdown" | "header":
            return _plain(block)
        case "context":
            return " ".join(filter(None, map(_field_text, block.get("elements", []))))
        case "rich_text":
            return "".join(_rich_texts(block))
        case _:
            return ""


def _field_text(field: Json) -> str:
    return str(field.get("text", "")) if field.get("type") in ("mrkdwn", "plain_text") else ""


def _rich_texts(item: Json) -> Iterator[str]:
    if item.get("type") == "user":
        yield f"<@{item['user_id']}>"
    yield str(item.get("text", ""))
    for element in item.get("elements", []):
        yield from _rich_texts(element)


def is_markdown(blocks: Iterable[Json]) -> bool:
    """Tell whether the blocks' text is Markdown, not Slack's mrkdwn."""
    return any(block["type"] == "markdown" for block in blocks)


def interactive(blocks: Iterable[Json]) -> Iterator[tuple[str, Json]]:
    """Go through what can be pressed or chosen, each with an id that is unique in the message."""
    found = [
        (block, element)
        for block in blocks
        for element in _elements(block)
        if element.get("type") in ("button", "static_select")
    ]
    counts = [element["action_id"] for _, element in found]
    for block, element in found:
        id_ = element["action_id"]
        yield (
            (id_ if counts.count(id_) == 1 else f"{block['block_id']}/{id_}"),
            {**element, "block": block},
        )


def actions_of(blocks: Iterable[Json]) -> list[ActionView]:
    """List what a message's blocks offer, as the page shows it."""
    return [
        ActionView(
            id=id_, label=_label(element), options=[_plain(o) for o in element.get("options", [])]
        )
        for id_, element in interactive(blocks)
    ]


def _label(element: Json) -> str:
    if element["type"] == "button":
        return _plain(element)
    return _plain({"text": element.get("placeholder", "")})


def pressed(blocks: Iterable[Json], action: str, value: str) -> Json:
    """Build the `actions` entry of an interaction. `value` is an option's value or its label.

    Raises ValueError when the message offers no such action or option.
    """
    element = dict(interactive(blocks)).get(action)
    if element is None:
        raise ValueError(f"the message offers no action {action!r}")
    entry: Json = {
        "type": element["type"],
        "action_id": element["action_id"],
        "block_id": element["block"]["block_id"],
    }
    if element["type"] == "button":
        return {**entry, "text": element["text"], "value": element.get("value", "")}
    for option in element["options"]:
        if value in (option.get("value"), _plain(option)):
            return {**entry, "selected_option": option, "placeholder": element.get("placeholder")}
    raise ValueError(f"the action {action!r} has no option {value!r}")
