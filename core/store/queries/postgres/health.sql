-- Whether the database serves.

-- name: ping()^
-- Whether what is asked of it may write: a server that stands by for another one lets nobody.
SELECT CURRENT_SETTING('transaction_read_only') = 'off' AS is_writable;
