"""What Slack's words of refusal mean for a reply: docs.slack.dev lists them beside the methods."""

from __future__ import annotations

STREAM_OVER = frozenset(
    ("message_not_in_streaming_state", "streaming_state_conflict", "stopped_by_user")
)
TOO_LONG = frozenset(("msg_too_long", "msg_blocks_too_long"))
NO_MARKDOWN = frozenset(("no_text", "invalid_arguments", "unknown_arguments", "invalid_arg_name"))
TOKEN_GONE = frozenset(("account_inactive", "invalid_auth", "token_expired", "token_revoked"))
DELETED = "message_not_found"
MUST_STAY = frozenset(("cant_delete_message", "compliance_exports_prevent_deletion"))
MAY_PASS = frozenset(("channel_not_found", "not_in_channel"))
"""Said, too, of a channel that the bot has only just come into."""
