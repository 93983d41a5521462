-- What the runner of migrations asks PostgreSQL.

-- name: list_tables()
-- All tables of the schema, to tell an empty one from another program's.
SELECT tablename::TEXT AS name FROM pg_tables WHERE schemaname = current_schema();

-- name: lock_migrations(key)^
-- Wait for other programs that migrate this schema, and keep them waiting until this one is done.
SELECT pg_advisory_xact_lock(:key, hashtext(current_schema()));
