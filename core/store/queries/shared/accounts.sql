-- What turns took, and what people have used. A turn counts from when it was let in; one that is under
-- way and not let in yet may still be refused. Costs are billionths of a US dollar. People's use is what
-- their answers took, that of a place all that was paid for there.

-- name: find_admission(turn_id, attempt)^
-- Whether a turn that is under way in this attempt was let in.
SELECT is_admitted FROM turns
WHERE id = :turn_id AND attempts = :attempt AND state IN ('running', 'delivering');

-- name: admit_turn(turn_id, now)^
-- Let a turn in, as of now.
UPDATE turns SET is_admitted = TRUE, started_at = :now WHERE id = :turn_id RETURNING id;

-- name: sum_user(platform, author_id, since, until, turn_id)^
-- What a person used from a time until another one, but for one turn.
SELECT
    COUNT(*) FILTER (WHERE is_counted) AS messages,
    CAST(COALESCE(SUM(tokens), 0) AS BIGINT) AS tokens,
    CAST(COALESCE(SUM(cost_nanos), 0) AS BIGINT) AS cost_nanos,
    COUNT(*) FILTER (WHERE is_cost_unknown) AS unknown_costs,
    COUNT(*) FILTER (WHERE state IN ('running', 'delivering')) AS unfinished
FROM usage_details
WHERE platform = :platform
    AND author_id = :author_id
    AND started_at >= :since
    AND started_at < :until
    AND id <> :turn_id
    AND kind = 'answer'
    AND state <> 'rejected';

-- name: sum_channel(platform, workspace, channel, since, until, turn_id)^
-- What was used in a channel from a time until another one, but for one turn.
SELECT
    COUNT(*) FILTER (WHERE is_counted) AS messages,
    CAST(COALESCE(SUM(tokens), 0) AS BIGINT) AS tokens,
    CAST(COALESCE(SUM(cost_nanos), 0) AS BIGINT) AS cost_nanos,
    COUNT(*) FILTER (WHERE is_cost_unknown) AS unknown_costs,
    COUNT(*) FILTER (WHERE state IN ('running', 'delivering')) AS unfinished
FROM usage_details
WHERE platform = :platform
    AND workspace = :workspace
    AND channel = :channel
    AND started_at >= :since
    AND started_at < :until
    AND id <> :turn_id
    AND state <> 'rejected';

-- name: sum_workspace(platform, workspace, since, until, turn_id)^
-- What was used in a workspace from a time until another one, but for one turn.
SELECT
    COUNT(*) FILTER (WHERE is_counted) AS messages,
    CAST(COALESCE(SUM(tokens), 0) AS BIGINT) AS tokens,
    CAST(COALESCE(SUM(cost_nanos), 0) AS BIGINT) AS cost_nanos,
    COUNT(*) FILTER (WHERE is_cost_unknown) AS unknown_costs,
    COUNT(*) FILTER (WHERE state IN ('running', 'delivering')) AS unfinished
FROM usage_details
WHERE platform = :platform
    AND workspace = :workspace
    AND started_at >= :since
    AND started_at < :until
    AND id <> :turn_id
    AND state <> 'rejected';

-- name: load_times_user(platform, author_id, since, until, turn_id, max_times)
-- When a person's newest questions after a time were let in, the newest first.
SELECT started_at FROM usage_details
WHERE platform = :platform
    AND author_id = :author_id
    AND started_at > :since
    AND started_at < :until
    AND id <> :turn_id
    AND is_counted
ORDER BY started_at DESC
LIMIT :max_times;

-- name: load_times_channel(platform, workspace, channel, since, until, turn_id, max_times)
-- When a channel's newest questions after a time were let in, the newest first.
SELECT started_at FROM usage_details
WHERE platform = :platform
    AND workspace = :workspace
    AND channel = :channel
    AND started_at > :since
    AND started_at < :until
    AND id <> :turn_id
    AND is_counted
ORDER BY started_at DESC
LIMIT :max_times;

-- name: load_times_workspace(platform, workspace, since, until, turn_id, max_times)
-- When a workspace's newest questions after a time were let in, the newest first.
SELECT started_at FROM usage_details
WHERE platform = :platform
    AND workspace = :workspace
    AND started_at > :since
    AND started_at < :until
    AND id <> :turn_id
    AND is_counted
ORDER BY started_at DESC
LIMIT :max_times;

-- name: save_usage(turn_id, attempt, model, input_tokens, output_tokens, cached_tokens, written_tokens, is_estimated, cost_nanos, first_text_ms, answer_ms)^
-- Keep what a turn took, whatever becomes of it.
UPDATE turns
SET
    model = :model,
    input_tokens = :input_tokens,
    output_tokens = :output_tokens,
    cached_tokens = :cached_tokens,
    written_tokens = :written_tokens,
    is_estimated = :is_estimated,
    cost_nanos = :cost_nanos,
    first_text_ms = :first_text_ms,
    answer_ms = :answer_ms
WHERE id = :turn_id AND attempts = :attempt
RETURNING id;

-- name: report_usage(by, since, until)
-- What was used between two times, summed up by one of: day, model, user, channel, platform; apart for
-- answers, summaries and further attempts.
SELECT
    kind,
    CASE WHEN :by IN ('user', 'channel', 'platform') THEN platform ELSE '' END AS platform,
    CASE WHEN :by = 'channel' THEN workspace ELSE '' END AS workspace,
    CASE WHEN :by = 'channel' THEN channel ELSE '' END AS channel,
    CASE WHEN :by = 'user' THEN author_id ELSE '' END AS author_id,
    CASE WHEN :by = 'model' THEN COALESCE(model, '') ELSE '' END AS model,
    CASE WHEN :by = 'day' THEN quarter ELSE 0 END AS quarter,
    MAX(author_name) AS author_name,
    COUNT(*) FILTER (WHERE is_counted) AS questions,
    COUNT(*) FILTER (WHERE state = 'rejected') AS rejected,
    COUNT(*) FILTER (WHERE state = 'failed') AS failed,
    CAST(COALESCE(SUM(input_tokens), 0) AS BIGINT) AS input_tokens,
    CAST(COALESCE(SUM(output_tokens), 0) AS BIGINT) AS output_tokens,
    CAST(COALESCE(SUM(cached_tokens), 0) AS BIGINT) AS cached_tokens,
    COUNT(*) FILTER (WHERE is_estimated) AS estimated,
    COUNT(*) FILTER (WHERE model IS NOT NULL AND input_tokens IS NULL) AS unknown_tokens,
    CAST(COALESCE(SUM(cost_nanos), 0) AS BIGINT) AS cost_nanos,
    COUNT(cost_nanos) AS known_costs,
    COUNT(*) FILTER (WHERE is_cost_unknown) AS unknown_costs,
    CAST(COALESCE(SUM(first_text_ms), 0) AS BIGINT) AS first_text_ms,
    CAST(COALESCE(SUM(answer_ms), 0) AS BIGINT) AS answer_ms,
    COUNT(answer_ms) AS timed,
    COUNT(first_text_ms) AS first_timed
FROM usage_details
WHERE started_at >= :since AND started_at < :until
GROUP BY 1, 2, 3, 4, 5, 6, 7
ORDER BY 2, 3, 4, 5, 6, 7, 1;

-- name: add_expense(conversation_id, purpose, model, author_id, author_name, input_tokens, output_tokens, cached_tokens, written_tokens, is_estimated, cost_nanos, now)^
-- Remember what was asked of a model for a conversation beside the answers that its turns keep.
INSERT INTO background_requests (
    conversation_id, number, purpose, model, platform, workspace, channel, author_id, author_name,
    input_tokens, output_tokens, cached_tokens, written_tokens, is_estimated, cost_nanos, made_at
)
SELECT
    conversations.id,
    COALESCE(
        (
            SELECT MAX(others.number) FROM background_requests AS others
            WHERE others.conversation_id = conversations.id
        ),
        0
    ) + 1,
    :purpose, :model, conversations.platform, conversations.workspace, conversations.channel,
    :author_id, :author_name,
    :input_tokens, :output_tokens, :cached_tokens, :written_tokens, :is_estimated, :cost_nanos, :now
FROM conversations
WHERE conversations.id = :conversation_id
RETURNING number;

-- name: load_expenses(conversation_id)
-- What was asked of models beside the answers that turns keep, in order.
SELECT
    purpose, model, author_id, author_name, input_tokens, output_tokens, cached_tokens, written_tokens,
    is_estimated, cost_nanos
FROM background_requests
WHERE conversation_id = :conversation_id
ORDER BY number;

-- name: load_token_ratios()
-- By how much models' tokens exceed the estimate, in thousandths.
SELECT model, ratio_milli FROM token_ratios ORDER BY updated_at DESC;

-- name: put_token_ratio(model, ratio_milli, now)^
-- Remember by how much a model's tokens exceed the estimate.
INSERT INTO token_ratios (model, ratio_milli, updated_at) VALUES (:model, :ratio_milli, :now)
ON CONFLICT (model) DO UPDATE
SET ratio_milli = excluded.ratio_milli, updated_at = excluded.updated_at
RETURNING model;
