-- Messages. Positions count up within a conversation, in the order in which its turns run.

-- name: add_question(turn_id, text)^
-- Keep the text of a turn's question. It has no position until its turn starts.
INSERT INTO messages (
    conversation_id, turn_id, role, author_id, author_name, message_id, text, sent_at
)
SELECT conversation_id, id, 'user', author_id, author_name, message_id, :text, sent_at
FROM turns
WHERE id = :turn_id
RETURNING id;

-- name: place_question(turn_id)^
-- Put a question at the end of its conversation, as its turn starts.
UPDATE messages
SET position = (
    SELECT COALESCE(MAX(others.position), 0) + 1 FROM messages AS others
    WHERE others.conversation_id = messages.conversation_id
)
WHERE turn_id = :turn_id AND position IS NULL
RETURNING id;

-- name: add_answer(conversation_id, turn_id, text, model, tokens, now)^
-- Put a model's message at the end of its conversation.
INSERT INTO messages (conversation_id, turn_id, position, role, text, model, tokens, sent_at)
SELECT
    :conversation_id, :turn_id, COALESCE(MAX(others.position), 0) + 1, 'assistant',
    :text, :model, :tokens, :now
FROM messages AS others
WHERE others.conversation_id = :conversation_id
RETURNING id;

-- name: mark_unsent(turn_id)
-- Never send a turn's messages again. A question that still waits takes the place where it ended.
UPDATE messages
SET
    is_failed = TRUE,
    position = COALESCE(position, (
        SELECT COALESCE(MAX(others.position), 0) + 1 FROM messages AS others
        WHERE others.conversation_id = messages.conversation_id
    ))
WHERE turn_id = :turn_id
RETURNING id;

-- name: mark_unanswered(turn_id)
-- As mark_unsent, but only where there is no answer: an answered question stays.
UPDATE messages
SET
    is_failed = TRUE,
    position = COALESCE(position, (
        SELECT COALESCE(MAX(others.position), 0) + 1 FROM messages AS others
        WHERE others.conversation_id = messages.conversation_id
    ))
WHERE turn_id = :turn_id
    AND NOT EXISTS (
        SELECT 1 FROM messages AS answers
        WHERE answers.turn_id = :turn_id AND answers.role = 'assistant'
    )
RETURNING id;

-- name: load_conversation(platform, workspace, channel, thread)
-- A conversation and what the question that runs now sends, a row for each message, in one read
-- so that nothing can change in between. One row without a role where there is nothing to send.
SELECT
    conversations.model AS chosen_model,
    conversations.system_prompt,
    messages.role,
    messages.author_id,
    messages.author_name,
    messages.text,
    messages.model,
    messages.sent_at
FROM conversations
LEFT JOIN messages
    ON messages.conversation_id = conversations.id
    AND messages.position > conversations.cleared_position
    AND NOT messages.is_failed
WHERE conversations.platform = :platform
    AND conversations.workspace = :workspace
    AND conversations.channel = :channel
    AND conversations.thread = :thread
ORDER BY messages.position;

-- name: load_history(platform, workspace, channel, thread, max_messages)
-- The newest messages of a conversation, newest first; questions that wait count as the newest.
SELECT
    messages.turn_id,
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
