-- Memories: the summary of a conversation, and its pins.

-- name: load_memory(platform, workspace, channel, thread)
-- A conversation with its summary, a row for each pin whose message would still be sent.
SELECT
    conversations.id,
    conversations.model,
    conversations.system_prompt,
    conversations.cleared_position,
    summaries.after_position,
    summaries.until_position,
    summaries.text AS summary,
    summaries.model AS summary_model,
    pins.number,
    COALESCE(pins.text, messages.text) AS pin_text,
    COALESCE(messages.role, 'user') AS pin_role,
    COALESCE(messages.author_id, pins.author_id) AS pin_author_id,
    COALESCE(messages.author_name, pins.author_name) AS pin_author_name,
    messages.position AS pin_position
FROM conversations
LEFT JOIN summaries
    ON summaries.conversation_id = conversations.id
    AND summaries.after_position = conversations.cleared_position
    AND summaries.until_position > summaries.after_position
LEFT JOIN pins
    ON pins.conversation_id = conversations.id
    AND (
        pins.message_id IS NULL
        OR EXISTS (
            SELECT 1 FROM messages AS sent
            WHERE sent.id = pins.message_id
                AND sent.position > conversations.cleared_position
                AND NOT sent.is_failed
        )
    )
LEFT JOIN messages ON messages.id = pins.message_id
WHERE conversations.platform = :platform
    AND conversations.workspace = :workspace
    AND conversations.channel = :channel
    AND conversations.thread = :thread
ORDER BY pins.number;

-- name: load_span(conversation_id, after, until, max_messages)
-- The oldest messages behind a position.
SELECT position, role, author_id, author_name, text, model, sent_at FROM messages
WHERE conversation_id = :conversation_id
    AND position > :after
    AND position <= :until
    AND NOT is_failed
ORDER BY position
LIMIT :max_messages;

-- name: claim_summary(conversation_id, holder, now, claimed_until)^
-- Claim a summary that nobody else has claimed, or no longer. One that does not exist yet covers nothing.
INSERT INTO summaries (
    conversation_id, after_position, until_position, text, model, holder, claimed_until, updated_at
)
SELECT id, cleared_position, cleared_position, '', '', :holder, :claimed_until, :now
FROM conversations
WHERE id = :conversation_id
ON CONFLICT (conversation_id) DO UPDATE
SET holder = excluded.holder, claimed_until = excluded.claimed_until
WHERE summaries.claimed_until IS NULL
    OR summaries.claimed_until <= :now
    OR summaries.holder = excluded.holder
RETURNING conversation_id;

-- name: extend_summary(conversation_id, after_position, old_until, until_position, text, model, now)^
-- Put a longer summary in the place of the one that it was made from, or of one that counts no more.
UPDATE summaries
SET
    after_position = :after_position,
    until_position = :until_position,
    text = :text,
    model = :model,
    updated_at = :now
WHERE conversation_id = :conversation_id
    AND (after_position <> :after_position OR until_position = :old_until)
    AND EXISTS (
        SELECT 1 FROM conversations
        WHERE conversations.id = :conversation_id
            AND conversations.cleared_position = :after_position
    )
RETURNING conversation_id;

-- name: release_summary(conversation_id, holder)^
-- Let others claim a summary that one has claimed.
UPDATE summaries SET claimed_until = NULL
WHERE conversation_id = :conversation_id AND holder = :holder
RETURNING conversation_id;

-- name: drop_cleared_summary(conversation_id)
-- Forget a summary of what was cleared. A claim stays with its row until its maker lets go of it.
UPDATE summaries
SET
    text = '',
    after_position = (SELECT cleared_position FROM conversations WHERE id = :conversation_id),
    until_position = (SELECT cleared_position FROM conversations WHERE id = :conversation_id)
WHERE conversation_id = :conversation_id
    AND after_position <> (SELECT cleared_position FROM conversations WHERE id = :conversation_id)
RETURNING conversation_id;

-- name: drop_cleared_pins(conversation_id, before)
-- Forget what was pinned until a time, and what stands before the watermark.
DELETE FROM pins
WHERE conversation_id = :conversation_id
    AND (
        pinned_at <= :before
        OR message_id IN (
            SELECT messages.id FROM messages
            INNER JOIN conversations ON conversations.id = messages.conversation_id
            WHERE messages.conversation_id = :conversation_id
                AND messages.position <= conversations.cleared_position
        )
    )
RETURNING number;

-- name: load_pins(conversation_id)
-- The pins of a conversation.
SELECT number, message_id, text FROM pins WHERE conversation_id = :conversation_id ORDER BY number;

-- name: add_pin(conversation_id, number, message_id, text, author_id, author_name, now)^
-- Pin a message or a text.
INSERT INTO pins (conversation_id, number, message_id, text, author_id, author_name, pinned_at)
VALUES (:conversation_id, :number, :message_id, :text, :author_id, :author_name, :now)
RETURNING number;

-- name: find_newest_message(conversation_id)^
-- The newest message that the next question would send along.
SELECT messages.id FROM messages
INNER JOIN conversations ON conversations.id = messages.conversation_id
WHERE messages.conversation_id = :conversation_id
    AND messages.position > conversations.cleared_position
    AND NOT messages.is_failed
ORDER BY messages.position DESC
LIMIT 1;

-- name: find_message(conversation_id, message_id)^
-- The message that stands on the platform under an id, if the next question would send it along.
SELECT messages.id FROM messages
INNER JOIN conversations ON conversations.id = messages.conversation_id
LEFT JOIN replies
    ON replies.turn_id = messages.turn_id
    AND replies.message_id = :message_id
    AND replies.kind <> 'notice'
WHERE messages.conversation_id = :conversation_id
    AND messages.position > conversations.cleared_position
    AND NOT messages.is_failed
    AND (
        (messages.role = 'user' AND messages.message_id = :message_id)
        OR (messages.role = 'assistant' AND replies.message_id IS NOT NULL)
    )
LIMIT 1;

-- name: load_place_prompts(workspace, channel)
-- How the bot is told to behave in a workspace, and in one of its channels.
SELECT place, prompt FROM place_prompts WHERE place IN (:workspace, :channel);

-- name: put_place_prompt(place, prompt, now)^
-- Say how the bot is to behave in a place.
INSERT INTO place_prompts (place, prompt, updated_at)
VALUES (:place, :prompt, :now)
ON CONFLICT (place) DO UPDATE SET prompt = excluded.prompt, updated_at = excluded.updated_at
RETURNING place;

-- name: drop_place_prompt(place)^
-- Let the bot behave in a place as it does elsewhere.
DELETE FROM place_prompts WHERE place = :place
RETURNING place;

-- name: remove_pins(conversation_id, number)
-- Remove a pin, or all where the number is null.
DELETE FROM pins
WHERE conversation_id = :conversation_id
    AND (CAST(:number AS BIGINT) IS NULL OR number = :number)
RETURNING number;
