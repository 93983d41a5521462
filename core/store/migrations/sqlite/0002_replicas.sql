-- needs 0.1.0
-- Who runs a turn that is under way, and until when nobody else may. Only one process runs turns
-- on a file, so that a lease never holds anybody up here: the columns are for looking, and moving.

ALTER TABLE turns ADD COLUMN holder TEXT;
ALTER TABLE turns ADD COLUMN lease_until INTEGER;
