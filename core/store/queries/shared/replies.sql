-- The messages on the platform that show a turn's reply.

-- name: put_reply(turn_id, attempt, part, message_id, kind)^
-- Remember a message of a reply in place of what stood for that part, unless the turn was taken over.
INSERT INTO replies (turn_id, part, message_id, kind)
SELECT turns.id, CAST(:part AS INTEGER), CAST(:message_id AS TEXT), CAST(:kind AS TEXT)
FROM turns
WHERE turns.id = :turn_id AND turns.attempts = :attempt
ON CONFLICT (turn_id, part) DO UPDATE
SET message_id = excluded.message_id, kind = excluded.kind
RETURNING part;

-- name: drop_other_parts(turn_id, part, message_id)
-- A message shows one part only: drop it from where it stood before.
DELETE FROM replies
WHERE turn_id = :turn_id AND message_id = :message_id AND part <> :part
RETURNING part;

-- name: find_attempt(turn_id, attempt)^
-- Whether an attempt is a turn's latest.
SELECT id FROM turns WHERE id = :turn_id AND attempts = :attempt;

-- name: drop_reply(turn_id, message_id)
-- Forget a message of a reply.
DELETE FROM replies WHERE turn_id = :turn_id AND message_id = :message_id
RETURNING part;

-- name: load_reply_ids(conversation_id)
-- The messages of all replies in a conversation.
SELECT replies.message_id
FROM replies
INNER JOIN turns ON turns.id = replies.turn_id
WHERE turns.conversation_id = :conversation_id;
