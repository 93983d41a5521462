-- What the runner of migrations asks; the migrations themselves stand in migrations/.

-- name: load_migrations()
-- The migrations applied so far.
SELECT number, needs FROM skein_migrations ORDER BY number;

-- name: record_migration(number, name, needs, now)^
-- Note that a migration was applied.
INSERT INTO skein_migrations (number, name, needs, applied_at)
VALUES (:number, :name, :needs, :now)
RETURNING number;
