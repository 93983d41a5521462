"""Discord's refusals: an HTTP status, a code of its own, and, for a form, where it is wrong.

The codes are those of Discord's page "Opcodes and Status Codes".
"""

from __future__ import annotations

from bots.playground.discord.state import Json


class ApiError(Exception):
    """A request is refused; it carries what the answer says."""

    def __init__(self, status: int, code: int, message: str, **more: object) -> None:
        super().__init__(f"{status} {code}: {message}")
        self.status = status
        self.code = code
        self.body: Json = {"message": message, "code": code, **more}


UNKNOWN = {
    10002: "Unknown Application",
    10003: "Unknown Channel",
    10004: "Unknown Guild",
    10007: "Unknown Member",
    10008: "Unknown Message",
    10013: "Unknown User",
    10015: "Unknown Webhook",
    10062: "Unknown interaction",
    10063: "Unknown application command",
}

FORBIDDEN = {
    50001: "Missing Access",
    50003: "Cannot execute action on a DM channel",
    50005: "Cannot edit a message authored by another user",
    50007: "Cannot send messages to this user",
    50013: "Missing Permissions",
}

BAD = {
    40060: "Interaction has already been acknowledged.",
    50006: "Cannot send an empty message",
    50021: "Cannot execute action on a system message",
    50024: "Cannot execute action on this channel type",
    50033: "Invalid Recipient(s)",
    50083: "Thread is archived",
    160002: "Cannot reply without permission to read message history",
    160004: "A thread has already been created for this message",
}

NOT_FOUND = 404, 0, "404: Not Found"
UNAUTHORIZED = 401, 0, "401: Unauthorized"


def unknown(code: int) -> ApiError:
    """Refuse because something named is not there."""
    return ApiError(404, code, UNKNOWN[code])


def forbidden(code: int) -> ApiError:
    """Refuse because the bot may not."""
    return ApiError(403, code, FORBIDDEN[code])


def bad(code: int) -> ApiError:
    """Refuse because it cannot be done."""
    return ApiError(400, code, BAD[code])


def invalid_form(where: str, code: str, message: str) -> ApiError:
    """Refuse a form (50035). `where` is the field's path with dots: `data.embeds.0.title`."""
    errors: Json = {"_errors": [{"code": code, "message": message}]}
    for name in reversed(where.split(".")):
        errors = {name: errors}
    return ApiError(400, 50035, "Invalid Form Body", errors=errors)


def too_long(where: str, limit: int) -> ApiError:
    """Refuse a text over its limit, counted in characters."""
    return invalid_form(where, "BASE_TYPE_MAX_LENGTH", f"Must be {limit} or fewer in length.")


def wrong_length(where: str, least: int, most: int) -> ApiError:
    """Refuse a text or a list that is too short or too long."""
    return invalid_form(
        where, "BASE_TYPE_BAD_LENGTH", f"Must be between {least} and {most} in length."
    )


def missing(where: str) -> ApiError:
    """Refuse a form that lacks a field."""
    return invalid_form(where, "BASE_TYPE_REQUIRED", "This field is required")


def rate_limited(
    retry_after: float, *, is_global: bool = False, code: int = 0, message: str = ""
) -> ApiError:
    """Refuse for haste (429). `retry_after` is in seconds."""
    text = message or "You are being rate limited."
    return ApiError(429, code, text, retry_after=round(retry_after, 3), **{"global": is_global})
