-- What the runner of migrations asks SQLite.

-- name: list_tables()
-- All tables of the file, to tell an empty file from another program's.
SELECT name FROM sqlite_master WHERE type = 'table';
