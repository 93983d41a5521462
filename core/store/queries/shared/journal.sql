-- The journal of turns. A move is one statement that names the states it starts from, so that it
-- cannot be applied twice, and the attempt that it belongs to, so that who was taken over cannot
-- apply it at all; the rows that it returns say that it happened, and to what.
-- Positions of messages count up within a conversation, in the order in which its turns run.

-- name: insert_turn(conversation_id, platform, workspace, channel, message_id, author_id, author_name, state, sent_at, received_at, finished_at)^
-- Journal a message. Returns nothing for a message that is in the journal already.
INSERT INTO turns (
    conversation_id, platform, workspace, channel, message_id, author_id, author_name,
    state, sent_at, received_at, finished_at
)
VALUES (
    :conversation_id, :platform, :workspace, :channel, :message_id, :author_id, :author_name,
    :state, :sent_at, :received_at, :finished_at
)
ON CONFLICT (platform, workspace, channel, message_id) DO NOTHING
RETURNING id;

-- name: add_question(turn_id, text)^
-- Keep the text of a turn's question. It has no position until its turn starts.
INSERT INTO messages (
    conversation_id, turn_id, role, author_id, author_name, message_id, text, sent_at
)
SELECT conversation_id, id, 'user', author_id, author_name, message_id, :text, sent_at
FROM turns
WHERE id = :turn_id
RETURNING id;

-- name: load_turn(turn_id)
-- One turn, a row for each message of its reply.
SELECT * FROM turn_details WHERE id = :turn_id ORDER BY reply_part;

-- name: load_turn_of_message(platform, workspace, channel, message_id)
-- The turn of a message, a row for each message of its reply.
SELECT * FROM turn_details
WHERE platform = :platform
    AND workspace = :workspace
    AND channel = :channel
    AND message_id = :message_id
ORDER BY reply_part;

-- name: load_unfinished()
-- All turns to which something may still happen, oldest first, a row for each message of a reply.
SELECT * FROM turn_details WHERE finished_at IS NULL ORDER BY sent_at, id, reply_part;

-- name: load_merged(turn_id)
-- The turns that a turn's reply answers, too, a row for each message of a reply.
SELECT * FROM turn_details WHERE merged_into = :turn_id ORDER BY sent_at, id, reply_part;

-- name: load_queued(conversation_id)
-- The turns of a conversation that wait to be started, by platform time.
SELECT id FROM turns
WHERE conversation_id = :conversation_id
    AND finished_at IS NULL
    AND state = 'queued'
    AND merged_into IS NULL
ORDER BY sent_at, id;

-- name: start(turn_id, now, holder, lease_until, is_admitted)^
-- queued -> running, unless another turn of the conversation is under way.
UPDATE turns
SET
    state = 'running',
    attempts = attempts + 1,
    started_at = :now,
    holder = :holder,
    lease_until = :lease_until,
    is_admitted = is_admitted OR :is_admitted
WHERE id = :turn_id
    AND state = 'queued'
    AND merged_into IS NULL
    AND NOT EXISTS (
        SELECT 1 FROM turns AS busy
        WHERE busy.conversation_id = turns.conversation_id
            AND busy.state IN ('running', 'delivering')
    )
RETURNING id, conversation_id;

-- name: merge(conversation_id, turn_id)
-- Let the reply to a turn that was just started answer all that wait. They end with it.
UPDATE turns SET merged_into = :turn_id
WHERE conversation_id = :conversation_id
    AND finished_at IS NULL
    AND state = 'queued'
    AND merged_into IS NULL
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

-- name: deliver(turn_id, attempt, model, input_tokens, output_tokens, cached_tokens, written_tokens, is_estimated, cost_nanos, first_text_ms, answer_ms)^
-- running -> delivering: the model answered.
UPDATE turns
SET
    state = 'delivering',
    model = :model,
    input_tokens = :input_tokens,
    output_tokens = :output_tokens,
    cached_tokens = :cached_tokens,
    written_tokens = :written_tokens,
    is_estimated = :is_estimated,
    cost_nanos = :cost_nanos,
    first_text_ms = :first_text_ms,
    answer_ms = :answer_ms
WHERE id = :turn_id AND attempts = :attempt AND state = 'running'
RETURNING conversation_id;

-- name: add_answer(conversation_id, turn_id, text, model, tokens, now)^
-- Put a model's message at the end of its conversation.
INSERT INTO messages (conversation_id, turn_id, position, role, text, model, tokens, sent_at)
SELECT
    :conversation_id, :turn_id, COALESCE(MAX(others.position), 0) + 1, 'assistant',
    :text, :model, :tokens, :now
FROM messages AS others
WHERE others.conversation_id = :conversation_id
RETURNING id;

-- name: finish(turn_id, attempt, now)
-- delivering -> done: the platform has the whole reply. What was merged into a turn ends with it, here and below.
UPDATE turns SET state = 'done', finished_at = :now
WHERE (id = :turn_id OR merged_into = :turn_id)
    AND finished_at IS NULL
    AND EXISTS (
        SELECT 1 FROM turns AS latest
        WHERE latest.id = :turn_id
            AND latest.attempts = :attempt
            AND latest.state IN ('delivering')
    )
RETURNING id;

-- name: fail(turn_id, attempt, reason, now)
-- queued, running, delivering -> failed.
UPDATE turns SET state = 'failed', error = :reason, finished_at = :now
WHERE (id = :turn_id OR merged_into = :turn_id)
    AND finished_at IS NULL
    AND EXISTS (
        SELECT 1 FROM turns AS latest
        WHERE latest.id = :turn_id
            AND latest.attempts = :attempt
            AND latest.state IN ('queued', 'running', 'delivering')
    )
RETURNING id, sent_at;

-- name: cancel(turn_id, attempt, reason, now)
-- queued, running, delivering -> cancelled.
UPDATE turns SET state = 'cancelled', error = :reason, finished_at = :now
WHERE (id = :turn_id OR merged_into = :turn_id)
    AND finished_at IS NULL
    AND EXISTS (
        SELECT 1 FROM turns AS latest
        WHERE latest.id = :turn_id
            AND latest.attempts = :attempt
            AND latest.state IN ('queued', 'running', 'delivering')
    )
RETURNING id, sent_at;

-- name: reject(turn_id, attempt, reason, now)
-- queued, running -> rejected: a limit refused it.
UPDATE turns SET state = 'rejected', error = :reason, finished_at = :now
WHERE (id = :turn_id OR merged_into = :turn_id)
    AND finished_at IS NULL
    AND EXISTS (
        SELECT 1 FROM turns AS latest
        WHERE latest.id = :turn_id
            AND latest.attempts = :attempt
            AND latest.state IN ('queued', 'running')
    )
RETURNING id, sent_at;

-- name: free_merged(turn_id, attempt)
-- Let other people's questions that were merged into a turn wait again: the limit that refuses it may not
-- be theirs.
UPDATE turns SET merged_into = NULL
WHERE merged_into = :turn_id
    AND finished_at IS NULL
    AND EXISTS (
        SELECT 1 FROM turns AS latest
        WHERE latest.id = :turn_id
            AND latest.attempts = :attempt
            AND latest.state IN ('queued', 'running')
            AND latest.author_id <> turns.author_id
    )
RETURNING id;

-- name: unplace_question(turn_id)^
-- Take a question that waits again from its place in the conversation.
UPDATE messages SET position = NULL WHERE turn_id = :turn_id
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

-- name: mark_unanswered(turn_id, answered_by)
-- As mark_unsent, but only where there is no answer: a question that a turn answered stays.
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
        WHERE answers.turn_id = :answered_by AND answers.role = 'assistant'
    )
RETURNING id;
