-- Whether the file serves.

-- name: ping()^
-- Read it. Whether it takes writes is known by trying only.
SELECT 1 AS is_writable FROM sqlite_schema LIMIT 1;
