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

-- name: load_reply_ids(conversation_id)
-- The messages of all replies in a conversation.
SELECT replies.message_id
FROM replies
INNER JOIN turns ON turns.id = replies.turn_id
WHERE turns.conversation_id = :conversation_id;
