-- What SQLite says in its own way of conversations.

-- name: prune(untouched_since, max_conversations)
-- Delete some of the conversations that nobody used since a time; all that is theirs goes along.
DELETE FROM conversations
WHERE id IN (
    SELECT candidates.id FROM conversations AS candidates
    WHERE candidates.updated_at < :untouched_since
        AND NOT EXISTS (
            SELECT 1 FROM turns
            WHERE turns.conversation_id = candidates.id AND turns.finished_at IS NULL
        )
    ORDER BY candidates.updated_at
    LIMIT :max_conversations
)
RETURNING id;
