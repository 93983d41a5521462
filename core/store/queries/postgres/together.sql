-- What several processes on one database ask, and tell each other. The clock is the server's.

-- name: read_clock()^
-- The server's time.
SELECT CLOCK_TIMESTAMP() AS now;

-- name: announce(word)^
-- Tell all who listen, once this transaction is committed.
SELECT PG_NOTIFY('skein_' || MD5(CURRENT_SCHEMA()), :word);

-- name: name_channel()^
-- The channel of this schema.
SELECT 'skein_' || MD5(CURRENT_SCHEMA()) AS name;

-- name: try_hold(key, name)^
-- Take a name for as long as the connection lasts, unless somebody has it.
SELECT PG_TRY_ADVISORY_LOCK(:key, HASHTEXT(CURRENT_SCHEMA() || '/' || :name)) AS is_held;

-- name: free_all_if_alone(key)
-- End all leases and claims, if this is the only runner: all others are dead, and will not come back for them.
WITH
runners AS (
    SELECT COUNT(*) AS count FROM pg_locks
    WHERE locktype = 'advisory'
        AND granted
        AND database = (SELECT oid FROM pg_database WHERE datname = CURRENT_DATABASE())
        AND classid::BIGINT = :key
        AND objid::BIGINT = (HASHTEXT(CURRENT_SCHEMA())::BIGINT & 4294967295)
),

freed AS (
    UPDATE summaries SET claimed_until = NULL
    WHERE claimed_until IS NOT NULL AND (SELECT count FROM runners) = 1
    RETURNING conversation_id
)

UPDATE turns SET lease_until = NULL
WHERE state IN ('running', 'delivering') AND (SELECT count FROM runners) = 1
RETURNING id;
