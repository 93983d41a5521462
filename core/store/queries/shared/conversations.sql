-- Conversations: the thread that they belong to, what people chose for them, what was said, and the
-- watermark.

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

-- name: find_model(platform, workspace, channel, thread)^
-- The model that people chose for a conversation.
SELECT model FROM conversations
WHERE platform = :platform
    AND workspace = :workspace
    AND channel = :channel
    AND thread = :thread;

-- name: find_beginning(platform, workspace, channel, thread)^
-- When the first message of a conversation that is still stored was sent.
SELECT COALESCE(
    (SELECT MIN(turns.sent_at) FROM turns WHERE turns.conversation_id = conversations.id),
    conversations.created_at
) AS began_at
FROM conversations
WHERE platform = :platform
    AND workspace = :workspace
    AND channel = :channel
    AND thread = :thread;

-- name: load_conversation(platform, workspace, channel, thread, max_chars, after)
-- A conversation and what the question that runs now sends, a row for each message, and one more for
-- each further file of it, in one read so that nothing can change in between. It walks back from the
-- newest message until their texts have that many characters: what is older costs nothing, and what is
-- not sent hardly anything. A place without a number is the beginning.
WITH RECURSIVE
asked AS (
    SELECT
        id,
        model,
        system_prompt,
        CASE WHEN cleared_position > :after THEN cleared_position ELSE :after END AS begins_after
    FROM conversations
    WHERE platform = :platform
        AND workspace = :workspace
        AND channel = :channel
        AND thread = :thread
),

walked (conversation_id, begins_after, place, newer_chars) AS (
    SELECT
        asked.id,
        asked.begins_after,
        (
            SELECT MAX(newest.position) FROM messages AS newest
            WHERE newest.conversation_id = asked.id
                AND newest.position > asked.begins_after
                AND NOT newest.is_failed
        ),
        CAST(0 AS BIGINT)
    FROM asked
    UNION ALL
    SELECT
        walked.conversation_id,
        walked.begins_after,
        (
            SELECT MAX(older.position) FROM messages AS older
            WHERE older.conversation_id = walked.conversation_id
                AND older.position > walked.begins_after
                AND older.position < walked.place
                AND NOT older.is_failed
        ),
        walked.newer_chars + LENGTH(messages.text)
    FROM walked
    INNER JOIN messages
        ON messages.conversation_id = walked.conversation_id
        AND messages.position = walked.place
    WHERE walked.newer_chars < :max_chars
)

SELECT
    asked.model AS chosen_model,
    asked.system_prompt,
    asked.begins_after,
    walked.place,
    messages.position,
    messages.role,
    messages.author_id,
    messages.author_name,
    messages.text,
    messages.model,
    messages.sent_at,
    attachments.number,
    attachments.file_id,
    attachments.name,
    attachments.url,
    attachments.media_type,
    attachments.size_bytes,
    attachments.note,
    attachments.sha256
FROM asked
INNER JOIN walked ON asked.id = walked.conversation_id
LEFT JOIN messages
    ON messages.conversation_id = walked.conversation_id
    AND messages.position = walked.place
LEFT JOIN attachments ON attachments.turn_id = messages.turn_id AND messages.role = 'user'
ORDER BY walked.place, attachments.number;

-- name: load_history(platform, workspace, channel, thread, max_messages)
-- The newest messages of a conversation, newest first; questions that wait count as the newest.
SELECT
    messages.turn_id,
    messages.position,
    messages.role,
    messages.author_id,
    messages.author_name,
    messages.text,
    messages.model,
    messages.sent_at,
    NOT messages.is_failed
        AND (messages.position IS NULL OR messages.position > conversations.cleared_position)
        AS is_sent
FROM conversations
INNER JOIN messages ON messages.conversation_id = conversations.id
WHERE conversations.platform = :platform
    AND conversations.workspace = :workspace
    AND conversations.channel = :channel
    AND conversations.thread = :thread
ORDER BY messages.position DESC NULLS FIRST, messages.sent_at DESC, messages.id DESC
LIMIT :max_messages;

-- name: cancel_until(conversation_id, before, reason, now)
-- queued, running, delivering -> cancelled, for all that was asked until a time.
UPDATE turns SET state = 'cancelled', error = :reason, finished_at = :now
WHERE conversation_id = :conversation_id AND finished_at IS NULL AND sent_at <= :before
RETURNING id, sent_at;

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
