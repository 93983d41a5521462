-- needs 0.1.0
-- Conversations, their messages, the journal of turns, and the messages that show a reply.
-- Times are whole microseconds since 1970 in UTC.

-- One row for each migration applied. `needs` is the oldest program that may use the result.
CREATE TABLE skein_migrations (
    number INTEGER PRIMARY KEY,
    name TEXT NOT NULL,
    needs TEXT NOT NULL,
    applied_at INTEGER NOT NULL
) STRICT;

-- Messages up to `cleared_position` are kept for people to read, and never sent to a model again.
CREATE TABLE conversations (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    platform TEXT NOT NULL,
    workspace TEXT NOT NULL,
    channel TEXT NOT NULL,
    thread TEXT NOT NULL,
    model TEXT,
    system_prompt TEXT,
    cleared_position INTEGER NOT NULL DEFAULT 0,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    UNIQUE (platform, workspace, channel, thread)
) STRICT;

CREATE INDEX conversations_by_use ON conversations (updated_at);

-- The journal: one row for each message that a platform handed over, whatever became of it.
-- `finished_at` is null exactly as long as something may still happen to the turn.
CREATE TABLE turns (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    conversation_id INTEGER NOT NULL REFERENCES conversations (id) ON DELETE CASCADE,
    platform TEXT NOT NULL,
    workspace TEXT NOT NULL,
    channel TEXT NOT NULL,
    message_id TEXT NOT NULL,
    author_id TEXT NOT NULL,
    author_name TEXT NOT NULL,
    state TEXT NOT NULL CHECK (
        state IN ('queued', 'running', 'delivering', 'done', 'rejected', 'failed', 'cancelled')
    ),
    attempts INTEGER NOT NULL DEFAULT 0,
    error TEXT,
    model TEXT,
    input_tokens INTEGER,
    output_tokens INTEGER,
    cached_tokens INTEGER,
    sent_at INTEGER NOT NULL,
    received_at INTEGER NOT NULL,
    started_at INTEGER,
    finished_at INTEGER,
    UNIQUE (platform, workspace, channel, message_id),
    CHECK ((finished_at IS NULL) = (state IN ('queued', 'running', 'delivering')))
) STRICT;

CREATE INDEX turns_by_conversation ON turns (conversation_id, sent_at);
CREATE INDEX turns_unfinished ON turns (conversation_id, sent_at) WHERE finished_at IS NULL;
-- Turns of one conversation run one after another: the database itself refuses a second one.
CREATE UNIQUE INDEX turns_one_at_a_time ON turns (conversation_id)
WHERE state IN ('running', 'delivering');

-- A question has no position while it waits: positions are given in the order in which turns run.
CREATE TABLE messages (
    id INTEGER PRIMARY KEY,
    conversation_id INTEGER NOT NULL REFERENCES conversations (id) ON DELETE CASCADE,
    turn_id INTEGER NOT NULL REFERENCES turns (id) ON DELETE CASCADE,
    position INTEGER,
    role TEXT NOT NULL,
    author_id TEXT,
    author_name TEXT,
    message_id TEXT,
    text TEXT NOT NULL,
    model TEXT,
    tokens INTEGER,
    is_failed INTEGER NOT NULL DEFAULT FALSE CHECK (is_failed IN (FALSE, TRUE)),
    sent_at INTEGER NOT NULL,
    UNIQUE (conversation_id, position)
) STRICT;

CREATE INDEX messages_by_turn ON messages (turn_id);

-- The messages on the platform that show a turn's reply, by part.
CREATE TABLE replies (
    turn_id INTEGER NOT NULL REFERENCES turns (id) ON DELETE CASCADE,
    part INTEGER NOT NULL,
    message_id TEXT NOT NULL,
    kind TEXT NOT NULL,
    PRIMARY KEY (turn_id, part)
) STRICT, WITHOUT ROWID;

-- A turn with its key, its question, its answer, and one row for each message of its reply.
CREATE VIEW turn_details AS
SELECT
    turns.id,
    turns.conversation_id,
    turns.platform,
    turns.workspace,
    turns.channel,
    conversations.thread,
    turns.message_id,
    turns.author_id,
    turns.author_name,
    turns.state,
    turns.attempts,
    turns.error,
    turns.sent_at,
    turns.received_at,
    turns.finished_at,
    question.text AS text,
    answer.text AS reply_text,
    replies.part AS reply_part,
    replies.message_id AS reply_message_id,
    replies.kind AS reply_kind
FROM turns
INNER JOIN conversations ON conversations.id = turns.conversation_id
LEFT JOIN messages AS question ON question.turn_id = turns.id AND question.role = 'user'
LEFT JOIN messages AS answer ON answer.turn_id = turns.id AND answer.role = 'assistant'
LEFT JOIN replies ON replies.turn_id = turns.id;

-- A conversation with what tells it apart from others.
CREATE VIEW conversation_details AS
SELECT
    conversations.id,
    conversations.platform,
    conversations.workspace,
    conversations.channel,
    conversations.thread,
    conversations.model,
    conversations.system_prompt,
    conversations.created_at,
    conversations.updated_at,
    (
        SELECT COUNT(*) FROM messages
        WHERE messages.conversation_id = conversations.id
            AND messages.position > conversations.cleared_position
            AND NOT messages.is_failed
    ) AS message_count,
    (
        SELECT messages.text FROM messages
        WHERE messages.conversation_id = conversations.id
            AND messages.position > conversations.cleared_position
            AND NOT messages.is_failed
            AND messages.role = 'user'
        ORDER BY messages.position
        LIMIT 1
    ) AS first_text
FROM conversations;
