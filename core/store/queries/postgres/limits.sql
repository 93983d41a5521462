-- Requests and tokens per minute, shared by all processes. Who holds the row of `limits` decides.

-- name: lock_limit(name)^
-- Make the row of a limit if there is none, and keep others off it until this transaction ends.
INSERT INTO limits (name) VALUES (:name)
ON CONFLICT (name) DO UPDATE SET name = excluded.name
RETURNING paused_until;

-- name: forget_admissions(name, since)
-- Drop what no longer counts.
DELETE FROM admissions WHERE name = :name AND admitted_at <= :since RETURNING id;

-- name: load_admissions(name)
-- The requests that count, oldest first.
SELECT admitted_at, tokens FROM admissions WHERE name = :name ORDER BY admitted_at, id;

-- name: add_admission(name, tokens, now)^
-- Count a request.
INSERT INTO admissions (name, tokens, admitted_at) VALUES (:name, :tokens, :now) RETURNING id;

-- name: find_first_waiter(name, since)^
-- Who is the first in line, of those that were seen of late.
SELECT id FROM limit_waiters WHERE name = :name AND seen_at > :since ORDER BY id LIMIT 1;

-- name: add_waiter(name, now)^
-- Line up, behind all others.
INSERT INTO limit_waiters (name, seen_at) VALUES (:name, :now) RETURNING id;

-- name: see_waiter(waiter_id, now)^
-- Stay in line.
UPDATE limit_waiters SET seen_at = :now WHERE id = :waiter_id RETURNING id;

-- name: remove_waiter(waiter_id)^
-- Leave the line.
DELETE FROM limit_waiters WHERE id = :waiter_id RETURNING id;

-- name: forget_waiters(name, since)
-- Drop those of processes that are gone.
DELETE FROM limit_waiters WHERE name = :name AND seen_at <= :since RETURNING id;

-- name: correct_admission(admission_id, tokens)^
-- Replace an estimate by the truth.
UPDATE admissions SET tokens = :tokens WHERE id = :admission_id RETURNING id;

-- name: withdraw_admission(admission_id)^
-- Count a request no more that was never made.
DELETE FROM admissions WHERE id = :admission_id RETURNING id;

-- name: pause_limit(name, until)^
-- Admit nothing before a time. A pause is never shortened.
INSERT INTO limits (name, paused_until) VALUES (:name, :until)
ON CONFLICT (name) DO UPDATE
SET paused_until = GREATEST(limits.paused_until, excluded.paused_until)
RETURNING paused_until;

-- name: lock_admissions(key)^
-- Wait for other transactions that let turns in, and keep them waiting until this one ends.
SELECT PG_ADVISORY_XACT_LOCK(:key, HASHTEXT(CURRENT_SCHEMA()));
