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
