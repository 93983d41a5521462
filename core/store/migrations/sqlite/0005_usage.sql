-- needs 0.1.0
-- What answers took, and which questions were let in by the limits of people.

-- Input tokens that were put into the provider's cache; those read from it are cached_tokens.
ALTER TABLE turns ADD COLUMN written_tokens INTEGER;
ALTER TABLE turns ADD COLUMN is_estimated INTEGER NOT NULL DEFAULT FALSE CHECK (is_estimated IN (FALSE, TRUE));
-- Billionths of a US dollar; null is unknown.
ALTER TABLE turns ADD COLUMN cost_nanos INTEGER;
-- Milliseconds from the question put to the model to the first text, and to the end.
ALTER TABLE turns ADD COLUMN first_text_ms INTEGER;
ALTER TABLE turns ADD COLUMN answer_ms INTEGER;
-- Whether a turn under way counts: one that is looked at right now may still be refused.
ALTER TABLE turns ADD COLUMN is_admitted INTEGER NOT NULL DEFAULT FALSE CHECK (is_admitted IN (FALSE, TRUE));

CREATE INDEX turns_by_author ON turns (platform, author_id, started_at) WHERE started_at IS NOT NULL;
CREATE INDEX turns_by_channel ON turns (platform, workspace, channel, started_at)
WHERE started_at IS NOT NULL;
CREATE INDEX turns_by_workspace ON turns (platform, workspace, started_at)
WHERE started_at IS NOT NULL;
CREATE INDEX turns_by_start ON turns (started_at) WHERE started_at IS NOT NULL;

-- What turns took, with the quarter of an hour, counted from 1970, in which they were let in: days
-- of any time zone are made of those.
CREATE VIEW usage_details AS
SELECT
    id,
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
    state <> 'rejected' AND (state <> 'running' OR is_admitted) AS is_counted,
    started_at / 900000000 AS quarter
FROM turns
WHERE started_at IS NOT NULL;
