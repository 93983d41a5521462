-- The messages on the platform that show a turn's reply.

-- name: put_reply(turn_id, part, message_id, kind)^
-- Remember a message of a reply in place of what stood for that part.
INSERT INTO replies (turn_id, part, message_id, kind)
VALUES (:turn_id, :part, :message_id, :kind)
ON CONFLICT (turn_id, part) DO UPDATE
SET message_id = excluded.message_id, kind = excluded.kind
RETURNING part;
