-- What PostgreSQL says in its own way of conversations. Their rows are the locks under which the
-- transactions of one conversation follow one another; a transaction holds no other one's lock.

-- name: lock_conversation(conversation_id)^
-- Wait for other transactions of a conversation, and keep them waiting until this one ends.
SELECT id FROM conversations WHERE id = :conversation_id FOR NO KEY UPDATE;

-- name: lock_conversation_of(turn_id)^
-- As lock_conversation, for the conversation of a turn.
SELECT conversations.id
FROM conversations
INNER JOIN turns ON turns.conversation_id = conversations.id
WHERE turns.id = :turn_id
FOR NO KEY UPDATE OF conversations;

-- name: prune(untouched_since, max_conversations)
-- Delete some of the conversations that nobody used since a time; all that is theirs goes along.
-- The lock makes it look again at one that was just used, and pass over one in use.
WITH untouched AS MATERIALIZED (
    SELECT candidates.id FROM conversations AS candidates
    WHERE candidates.updated_at < :untouched_since
        AND NOT EXISTS (
            SELECT 1 FROM turns
            WHERE turns.conversation_id = candidates.id AND turns.finished_at IS NULL
        )
    ORDER BY candidates.updated_at
    LIMIT :max_conversations
    FOR UPDATE SKIP LOCKED
)

DELETE FROM conversations
USING untouched
WHERE conversations.id = untouched.id
RETURNING conversations.id;
