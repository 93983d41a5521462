-- Conversations: the thread that they belong to, what people chose for them, and the watermark.

-- name: touch_conversation(platform, workspace, channel, thread, now)^
-- Make the conversation of a key, or note that it was used just now.
INSERT INTO conversations (platform, workspace, channel, thread, created_at, updated_at)
VALUES (:platform, :workspace, :channel, :thread, :now, :now)
ON CONFLICT (platform, workspace, channel, thread) DO UPDATE SET updated_at = excluded.updated_at
RETURNING id;

-- name: touch_conversation_by_id(conversation_id, now)^
-- Note that a conversation was used just now.
UPDATE conversations SET updated_at = :now WHERE id = :conversation_id
RETURNING id;

-- name: set_model(platform, workspace, channel, thread, model, now)^
-- Choose a conversation's model, making the conversation if need be.
INSERT INTO conversations (platform, workspace, channel, thread, model, created_at, updated_at)
VALUES (:platform, :workspace, :channel, :thread, :model, :now, :now)
ON CONFLICT (platform, workspace, channel, thread) DO UPDATE
SET model = excluded.model, updated_at = excluded.updated_at
RETURNING id;

-- name: set_system_prompt(platform, workspace, channel, thread, system_prompt, now)^
-- Set a conversation's system prompt, making the conversation if need be.
INSERT INTO conversations (
    platform, workspace, channel, thread, system_prompt, created_at, updated_at
)
VALUES (:platform, :workspace, :channel, :thread, :system_prompt, :now, :now)
ON CONFLICT (platform, workspace, channel, thread) DO UPDATE
SET system_prompt = excluded.system_prompt, updated_at = excluded.updated_at
RETURNING id;

-- name: find_conversation(platform, workspace, channel, thread)^
-- The conversation of a key, without its messages.
SELECT * FROM conversation_details
WHERE platform = :platform
    AND workspace = :workspace
    AND channel = :channel
    AND thread = :thread;

-- name: find_conversation_id(platform, workspace, channel, thread)^
-- The id of a key's conversation.
SELECT id FROM conversations
WHERE platform = :platform
    AND workspace = :workspace
    AND channel = :channel
    AND thread = :thread;

-- name: load_recent(platform, workspace, channel, author_id, max_conversations)
-- Conversations in which somebody asked something, the last used first. Null matches all.
SELECT * FROM conversation_details
WHERE platform = :platform
    AND (CAST(:workspace AS TEXT) IS NULL OR workspace = :workspace)
    AND (CAST(:channel AS TEXT) IS NULL OR channel = :channel)
    AND EXISTS (
        SELECT 1 FROM messages
        WHERE messages.conversation_id = conversation_details.id
            AND messages.role = 'user'
            AND (CAST(:author_id AS TEXT) IS NULL OR messages.author_id = :author_id)
    )
ORDER BY updated_at DESC, id DESC
LIMIT :max_conversations;

-- name: raise_watermark(conversation_id, before)^
-- Never again send what was said until a time, with the answers to it.
UPDATE conversations
SET cleared_position = COALESCE(
    (
        SELECT messages.position
        FROM messages
        INNER JOIN turns ON turns.id = messages.turn_id
        WHERE messages.conversation_id = conversations.id
            AND messages.position > conversations.cleared_position
            AND NOT messages.is_failed
            AND turns.sent_at <= :before
        ORDER BY messages.position DESC
        LIMIT 1
    ),
    cleared_position
)
WHERE id = :conversation_id
RETURNING cleared_position;
