-- needs 0.1.0
-- Files that came with messages: each one once, however often it was sent.

-- An image's bytes, or the text of anything else. Pruned once no message has it any more.
CREATE TABLE files (
    sha256 TEXT PRIMARY KEY,
    media_type TEXT NOT NULL,
    content BYTEA NOT NULL,
    text TEXT NOT NULL,
    used_at TIMESTAMPTZ NOT NULL
);

CREATE INDEX files_by_use ON files (used_at);

-- What a platform told of the files of a turn's question. `note` says what was not read, and why.
CREATE TABLE attachments (
    turn_id BIGINT NOT NULL REFERENCES turns (id) ON DELETE CASCADE,
    number INTEGER NOT NULL,
    file_id TEXT NOT NULL,
    name TEXT NOT NULL,
    url TEXT NOT NULL,
    media_type TEXT NOT NULL,
    size_bytes BIGINT,
    note TEXT NOT NULL DEFAULT '',
    sha256 TEXT REFERENCES files (sha256),
    PRIMARY KEY (turn_id, number)
);

CREATE INDEX attachments_by_file ON attachments (sha256) WHERE sha256 IS NOT NULL;
