-- needs 0.1.0
-- All that is paid for: what was asked of models beside the answers that turns keep, with what it cost.

-- Such a request is a summary, or an attempt at an answer that another one took the place of; the latter
-- has the author of its question. Costs are billionths of a US dollar; null is unknown.
ALTER TABLE background_requests ADD COLUMN platform TEXT NOT NULL DEFAULT '';
ALTER TABLE background_requests ADD COLUMN workspace TEXT NOT NULL DEFAULT '';
ALTER TABLE background_requests ADD COLUMN channel TEXT NOT NULL DEFAULT '';
ALTER TABLE background_requests ADD COLUMN author_id TEXT NOT NULL DEFAULT '';
ALTER TABLE background_requests ADD COLUMN author_name TEXT NOT NULL DEFAULT '';
ALTER TABLE background_requests ADD COLUMN written_tokens INTEGER;
ALTER TABLE background_requests ADD COLUMN is_estimated BOOLEAN NOT NULL DEFAULT FALSE;
ALTER TABLE background_requests ADD COLUMN cost_nanos BIGINT;

UPDATE background_requests
SET
    platform = (SELECT platform FROM conversations WHERE id = conversation_id),
    workspace = (SELECT workspace FROM conversations WHERE id = conversation_id),
    channel = (SELECT channel FROM conversations WHERE id = conversation_id);

CREATE INDEX background_requests_by_time ON background_requests (made_at);
CREATE INDEX background_requests_by_author ON background_requests (platform, author_id, made_at);
CREATE INDEX background_requests_by_channel ON background_requests (platform, workspace, channel, made_at);
CREATE INDEX background_requests_by_workspace ON background_requests (platform, workspace, made_at);

-- Whoever was let in has it written down from now on, where nothing is limited, too.
UPDATE turns SET is_admitted = TRUE
WHERE started_at IS NOT NULL AND state <> 'rejected' AND NOT is_admitted;

DROP VIEW usage_details;

-- All that is paid for, with the quarter of an hour, counted from 1970, to which it counts: days of any
-- time zone are made of those. `is_counted` is for questions: whether one was let in.
CREATE VIEW usage_details AS
SELECT
    id,
    'answer' AS kind,
    platform,
    workspace,
    channel,
    author_id,
    author_name,
    state,
    model,
    input_tokens,
    output_tokens,
    cached_tokens,
    is_estimated,
    cost_nanos,
    first_text_ms,
    answer_ms,
    started_at,
    COALESCE(input_tokens, 0) + COALESCE(output_tokens, 0) AS tokens,
    model IS NOT NULL AND cost_nanos IS NULL AS is_cost_unknown,
    is_admitted OR state IN ('delivering', 'done') AS is_counted,
    CAST(FLOOR(EXTRACT(EPOCH FROM started_at) / 900) AS BIGINT) AS quarter
FROM turns
WHERE started_at IS NOT NULL
UNION ALL
SELECT
    -1 AS id,
    purpose AS kind,
    platform,
    workspace,
    channel,
    author_id,
    author_name,
    'done' AS state,
    model,
    input_tokens,
    output_tokens,
    cached_tokens,
    is_estimated,
    cost_nanos,
    CAST(NULL AS INTEGER) AS first_text_ms,
    CAST(NULL AS INTEGER) AS answer_ms,
    made_at AS started_at,
    COALESCE(input_tokens, 0) + COALESCE(output_tokens, 0) AS tokens,
    cost_nanos IS NULL AS is_cost_unknown,
    FALSE AS is_counted,
    CAST(FLOOR(EXTRACT(EPOCH FROM made_at) / 900) AS BIGINT) AS quarter
FROM background_requests;

-- By how much a model's tokens exceed Skein's estimate, in thousandths, as providers reported.
CREATE TABLE token_ratios (
    model TEXT PRIMARY KEY,
    ratio_milli INTEGER NOT NULL,
    updated_at TIMESTAMPTZ NOT NULL
);

-- The requests that wait for a limit, one for each process: the first in line is let in first. One that
-- was not seen for a while is of a process that is gone.
CREATE TABLE limit_waiters (
    id BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name TEXT NOT NULL,
    seen_at TIMESTAMPTZ NOT NULL
);

CREATE INDEX limit_waiters_by_name ON limit_waiters (name, id);
