-- Who holds which turn, and until when; several processes may run turns of one database.

-- name: take_over(conversation_id, holder, expired_at, lease_until)^
-- Begin another attempt at the turn under way, if it is this holder's or its lease ran out. The one
-- before ended badly, unless its holder let go of it.
UPDATE turns
SET
    attempts = attempts + 1,
    crashes = crashes + CASE WHEN holder IS NULL THEN 0 ELSE 1 END,
    holder = :holder,
    lease_until = :lease_until
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
-- Let go of all that a holder holds, now.
UPDATE turns SET holder = NULL, lease_until = :now
WHERE holder = :holder AND state IN ('running', 'delivering')
RETURNING id;

-- name: load_waiting(platform, expired_at)
-- The conversations in which somebody should go on: with an unfinished turn, and none in good hands. What
-- is done to the platform's name keeps SQLite from going through all turns that the platform ever had.
SELECT waiting.conversation_id
FROM turns AS waiting
WHERE waiting.finished_at IS NULL
    AND waiting.platform || '' = :platform
    AND NOT EXISTS (
        SELECT 1 FROM turns AS busy
        WHERE busy.conversation_id = waiting.conversation_id
            AND busy.state IN ('running', 'delivering')
            AND busy.lease_until > :expired_at
    )
GROUP BY waiting.conversation_id
ORDER BY MIN(waiting.sent_at);
