-- needs 0.1.0
-- What a conversation keeps of what is sent no more: a summary, and what people pinned.

-- In short what was said behind `after_position`, as far as `until_position`. It counts only as long as
-- the conversation's watermark is still where the summary begins. Who makes it longer claims it first.
CREATE TABLE summaries (
    conversation_id INTEGER PRIMARY KEY REFERENCES conversations (id) ON DELETE CASCADE,
    after_position INTEGER NOT NULL,
    until_position INTEGER NOT NULL,
    text TEXT NOT NULL,
    model TEXT NOT NULL,
    holder TEXT,
    claimed_until INTEGER,
    updated_at INTEGER NOT NULL
) STRICT;

-- What is sent along for good: a message, or a text of its own.
CREATE TABLE pins (
    conversation_id INTEGER NOT NULL REFERENCES conversations (id) ON DELETE CASCADE,
    number INTEGER NOT NULL,
    message_id INTEGER REFERENCES messages (id) ON DELETE CASCADE,
    text TEXT,
    author_id TEXT,
    author_name TEXT,
    pinned_at INTEGER NOT NULL,
    PRIMARY KEY (conversation_id, number),
    CHECK ((message_id IS NULL) = (text IS NOT NULL))
) STRICT, WITHOUT ROWID;

CREATE UNIQUE INDEX pins_of_messages ON pins (message_id) WHERE message_id IS NOT NULL;

-- What was asked of a model for a conversation beside its turns.
CREATE TABLE background_requests (
    conversation_id INTEGER NOT NULL REFERENCES conversations (id) ON DELETE CASCADE,
    number INTEGER NOT NULL,
    purpose TEXT NOT NULL,
    model TEXT NOT NULL,
    input_tokens INTEGER,
    output_tokens INTEGER,
    cached_tokens INTEGER,
    made_at INTEGER NOT NULL,
    PRIMARY KEY (conversation_id, number)
) STRICT, WITHOUT ROWID;
