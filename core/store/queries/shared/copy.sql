-- Whole tables, for moving a database into another one. The pages come in the order of their keys.

-- name: count_rows()^
-- How many rows each table has.
SELECT
    (SELECT COUNT(*) FROM conversations) AS conversations,
    (SELECT COUNT(*) FROM turns) AS turns,
    (SELECT COUNT(*) FROM messages) AS messages,
    (SELECT COUNT(*) FROM replies) AS replies,
    (SELECT COUNT(*) FROM files) AS files,
    (SELECT COUNT(*) FROM attachments) AS attachments,
    (SELECT COUNT(*) FROM summaries) AS summaries,
    (SELECT COUNT(*) FROM pins) AS pins,
    (SELECT COUNT(*) FROM background_requests) AS background_requests,
    (SELECT COUNT(*) FROM place_prompts) AS place_prompts,
    (SELECT COUNT(*) FROM token_ratios) AS token_ratios;

-- name: load_conversations_page(after, max_rows)
-- The next conversations after an id.
SELECT * FROM conversations WHERE id > :after ORDER BY id LIMIT :max_rows;

-- name: load_turns_page(after, max_rows)
-- The next turns after an id.
SELECT * FROM turns WHERE id > :after ORDER BY id LIMIT :max_rows;

-- name: load_messages_page(after, max_rows)
-- The next messages after an id.
SELECT * FROM messages WHERE id > :after ORDER BY id LIMIT :max_rows;

-- name: load_replies_page(after, after_part, max_rows)
-- The next messages of replies after a turn's part.
SELECT * FROM replies
WHERE turn_id > :after OR (turn_id = :after AND part > :after_part)
ORDER BY turn_id, part
LIMIT :max_rows;

-- name: load_files_page(after, max_rows)
-- The next files after a hash.
SELECT * FROM files WHERE sha256 > :after ORDER BY sha256 LIMIT :max_rows;

-- name: load_attachments_page(after, after_part, max_rows)
-- The next files of questions after a turn's number.
SELECT * FROM attachments
WHERE turn_id > :after OR (turn_id = :after AND number > :after_part)
ORDER BY turn_id, number
LIMIT :max_rows;

-- name: load_summaries_page(after, max_rows)
-- The next summaries after a conversation's id.
SELECT * FROM summaries WHERE conversation_id > :after ORDER BY conversation_id LIMIT :max_rows;

-- name: load_pins_page(after, after_part, max_rows)
-- The next pins after a conversation's number.
SELECT * FROM pins
WHERE conversation_id > :after OR (conversation_id = :after AND number > :after_part)
ORDER BY conversation_id, number
LIMIT :max_rows;

-- name: load_background_requests_page(after, after_part, max_rows)
-- The next requests beside turns after a conversation's number.
SELECT * FROM background_requests
WHERE conversation_id > :after OR (conversation_id = :after AND number > :after_part)
ORDER BY conversation_id, number
LIMIT :max_rows;

-- name: load_place_prompts_page(after, max_rows)
-- The next prompts after a place.
SELECT * FROM place_prompts WHERE place > :after ORDER BY place LIMIT :max_rows;

-- name: load_token_ratios_page(after, max_rows)
-- The next ratios after a model.
SELECT * FROM token_ratios WHERE model > :after ORDER BY model LIMIT :max_rows;

-- name: insert_conversations(id, platform, workspace, channel, thread, model, system_prompt, cleared_position, created_at, updated_at)*!
-- Put conversations in as they are.
INSERT INTO conversations (
    id, platform, workspace, channel, thread, model, system_prompt, cleared_position,
    created_at, updated_at
)
VALUES (
    :id, :platform, :workspace, :channel, :thread, :model, :system_prompt, :cleared_position,
    :created_at, :updated_at
);

-- name: insert_turns(id, conversation_id, platform, workspace, channel, message_id, author_id, author_name, state, attempts, crashes, merged_into, error, model, input_tokens, output_tokens, cached_tokens, written_tokens, is_estimated, cost_nanos, first_text_ms, answer_ms, is_admitted, sent_at, received_at, started_at, finished_at)*!
-- Put turns in as they are.
INSERT INTO turns (
    id, conversation_id, platform, workspace, channel, message_id, author_id, author_name,
    state, attempts, crashes, merged_into, error, model, input_tokens, output_tokens, cached_tokens,
    written_tokens, is_estimated, cost_nanos, first_text_ms, answer_ms, is_admitted,
    sent_at, received_at, started_at, finished_at
)
VALUES (
    :id, :conversation_id, :platform, :workspace, :channel, :message_id, :author_id, :author_name,
    :state, :attempts, :crashes, :merged_into, :error, :model, :input_tokens, :output_tokens, :cached_tokens,
    :written_tokens, :is_estimated, :cost_nanos, :first_text_ms, :answer_ms, :is_admitted,
    :sent_at, :received_at, :started_at, :finished_at
);

-- name: insert_messages(id, conversation_id, turn_id, position, role, author_id, author_name, message_id, text, model, tokens, is_failed, sent_at)*!
-- Put messages in as they are.
INSERT INTO messages (
    id, conversation_id, turn_id, position, role, author_id, author_name, message_id,
    text, model, tokens, is_failed, sent_at
)
VALUES (
    :id, :conversation_id, :turn_id, :position, :role, :author_id, :author_name, :message_id,
    :text, :model, :tokens, :is_failed, :sent_at
);

-- name: insert_replies(turn_id, part, message_id, kind)*!
-- Put messages of replies in as they are.
INSERT INTO replies (turn_id, part, message_id, kind)
VALUES (:turn_id, :part, :message_id, :kind);

-- name: insert_files(sha256, media_type, content, text, used_at)*!
-- Put files in as they are.
INSERT INTO files (sha256, media_type, content, text, used_at)
VALUES (:sha256, :media_type, :content, :text, :used_at);

-- name: insert_attachments(turn_id, number, file_id, name, url, media_type, size_bytes, note, sha256)*!
-- Put files of questions in as they are.
INSERT INTO attachments (turn_id, number, file_id, name, url, media_type, size_bytes, note, sha256)
VALUES (:turn_id, :number, :file_id, :name, :url, :media_type, :size_bytes, :note, :sha256);

-- name: insert_summaries(conversation_id, after_position, until_position, text, model, updated_at)*!
-- Put summaries in as they are, claimed by nobody.
INSERT INTO summaries (conversation_id, after_position, until_position, text, model, updated_at)
VALUES (:conversation_id, :after_position, :until_position, :text, :model, :updated_at);

-- name: insert_pins(conversation_id, number, message_id, text, author_id, author_name, pinned_at)*!
-- Put pins in as they are.
INSERT INTO pins (conversation_id, number, message_id, text, author_id, author_name, pinned_at)
VALUES (:conversation_id, :number, :message_id, :text, :author_id, :author_name, :pinned_at);

-- name: insert_place_prompts(place, prompt, updated_at)*!
-- Put prompts of places in as they are.
INSERT INTO place_prompts (place, prompt, updated_at) VALUES (:place, :prompt, :updated_at);

-- name: insert_background_requests(conversation_id, number, purpose, model, platform, workspace, channel, author_id, author_name, input_tokens, output_tokens, cached_tokens, written_tokens, is_estimated, cost_nanos, made_at)*!
-- Put requests beside turns in as they are.
INSERT INTO background_requests (
    conversation_id, number, purpose, model, platform, workspace, channel, author_id, author_name,
    input_tokens, output_tokens, cached_tokens, written_tokens, is_estimated, cost_nanos, made_at
)
VALUES (
    :conversation_id, :number, :purpose, :model, :platform, :workspace, :channel, :author_id, :author_name,
    :input_tokens, :output_tokens, :cached_tokens, :written_tokens, :is_estimated, :cost_nanos, :made_at
);

-- name: insert_token_ratios(model, ratio_milli, updated_at)*!
-- Put ratios in as they are.
INSERT INTO token_ratios (model, ratio_milli, updated_at) VALUES (:model, :ratio_milli, :updated_at);
