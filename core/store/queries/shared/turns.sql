-- The journal of turns. A move is one statement that names the states it starts from, so that it
-- cannot be applied twice, and the attempt that it belongs to, so that who was taken over cannot
-- apply it at all; the row that it returns says that it happened.

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

-- name: start_next(conversation_id, now, holder, lease_until)^
-- queued -> running, for the earliest by platform time, unless another turn is under way.
UPDATE turns
SET
    state = 'running',
    attempts = attempts + 1,
    started_at = :now,
    holder = :holder,
    lease_until = :lease_until
WHERE id = (
    SELECT waiting.id FROM turns AS waiting
    WHERE waiting.conversation_id = :conversation_id
        AND waiting.finished_at IS NULL
        AND waiting.state = 'queued'
    ORDER BY waiting.sent_at, waiting.id
    LIMIT 1
)
AND NOT EXISTS (
    SELECT 1 FROM turns AS busy
    WHERE busy.conversation_id = :conversation_id
        AND busy.state IN ('running', 'delivering')
)
RETURNING id;

-- name: take_over(conversation_id, holder, expired_at, lease_until)^
-- Count another attempt at the turn under way, if it is this holder's or its lease ran out.
UPDATE turns
SET attempts = attempts + 1, holder = :holder, lease_until = :lease_until
WHERE conversation_id = :conversation_id
    AND state IN ('running', 'delivering')
    AND (holder = :holder OR lease_until IS NULL OR lease_until <= :expired_at)
RETURNING id;

-- name: extend(turn_id, attempt, lease_until)^
-- Go on holding a turn that is under way.
UPDATE turns SET lease_until = :lease_until
WHERE id = :turn_id AND attempts = :attempt AND state IN ('running', 'delivering')
RETURNING id;

-- name: find_under_way(turn_id, attempt)^
-- Whether a turn is under way in this attempt.
SELECT id FROM turns
WHERE id = :turn_id AND attempts = :attempt AND state IN ('running', 'delivering');

-- name: hand_back(holder, now)
-- End all leases of a holder now.
UPDATE turns SET lease_until = :now
WHERE holder = :holder AND state IN ('running', 'delivering')
RETURNING id;

-- name: load_waiting(platform, expired_at)
-- The conversations in which somebody should go on: with an unfinished turn, and none in good hands.
SELECT waiting.conversation_id
FROM turns AS waiting
WHERE waiting.finished_at IS NULL
    AND waiting.platform = :platform
    AND NOT EXISTS (
        SELECT 1 FROM turns AS busy
        WHERE busy.conversation_id = waiting.conversation_id
            AND busy.state IN ('running', 'delivering')
            AND busy.lease_until > :expired_at
    )
GROUP BY waiting.conversation_id
ORDER BY MIN(waiting.sent_at);

-- name: deliver(turn_id, attempt, model, input_tokens, output_tokens, cached_tokens)^
-- running -> delivering: the model answered.
UPDATE turns
SET
    state = 'delivering',
    model = :model,
    input_tokens = :input_tokens,
    output_tokens = :output_tokens,
    cached_tokens = :cached_tokens
WHERE id = :turn_id AND attempts = :attempt AND state = 'running'
RETURNING conversation_id;

-- name: finish(turn_id, attempt, now)^
-- delivering -> done: the platform has the whole reply.
UPDATE turns SET state = 'done', finished_at = :now
WHERE id = :turn_id AND attempts = :attempt AND state = 'delivering'
RETURNING id;

-- name: fail(turn_id, attempt, reason, now)^
-- queued, running, delivering -> failed.
UPDATE turns SET state = 'failed', error = :reason, finished_at = :now
WHERE id = :turn_id AND attempts = :attempt AND state IN ('queued', 'running', 'delivering')
RETURNING id;

-- name: cancel(turn_id, attempt, reason, now)^
-- queued, running, delivering -> cancelled.
UPDATE turns SET state = 'cancelled', error = :reason, finished_at = :now
WHERE id = :turn_id AND attempts = :attempt AND state IN ('queued', 'running', 'delivering')
RETURNING id;

-- name: reject(turn_id, attempt, reason, now)^
-- queued, running -> rejected: a limit refused it.
UPDATE turns SET state = 'rejected', error = :reason, finished_at = :now
WHERE id = :turn_id AND attempts = :attempt AND state IN ('queued', 'running')
RETURNING id;

-- name: cancel_until(conversation_id, before, reason, now)
-- queued, running, delivering -> cancelled, for all that was asked until a time.
UPDATE turns SET state = 'cancelled', error = :reason, finished_at = :now
WHERE conversation_id = :conversation_id AND finished_at IS NULL AND sent_at <= :before
RETURNING id, sent_at;
