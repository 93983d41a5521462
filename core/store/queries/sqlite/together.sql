-- What the only runner on a file may do.

-- name: free_claims()
-- End all claims: who made them is dead, or a console, whose summary is only made twice then.
UPDATE summaries SET claimed_until = NULL WHERE claimed_until IS NOT NULL
RETURNING conversation_id;
