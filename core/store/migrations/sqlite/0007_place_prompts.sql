-- needs 0.1.0
-- How the bot is told to behave in a whole workspace, or in one channel.

-- A place is written platform/workspace, or platform/workspace/channel.
CREATE TABLE place_prompts (
    place TEXT PRIMARY KEY,
    prompt TEXT NOT NULL,
    updated_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
