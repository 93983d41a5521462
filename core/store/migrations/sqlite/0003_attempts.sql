-- needs 0.1.0
-- What an attempt came to, what turns are answered together, and where notices stand.

-- `attempts` says which attempt is the latest one, and so whose writes count. `crashes` says how many
-- ended without a word: not those that were handed back by a process that was told to stop.
ALTER TABLE turns ADD COLUMN crashes INTEGER NOT NULL DEFAULT 0;

UPDATE turns SET crashes = MAX(attempts - 1, 0);

-- What has no holder was handed back. This was not.
UPDATE turns SET holder = '' WHERE holder IS NULL AND state IN ('running', 'delivering');

-- The turn whose reply answers this one, too. Until that one ends this one stays queued, and both end
-- by one statement; they are of one conversation, and pruned together.
ALTER TABLE turns ADD COLUMN merged_into INTEGER;

CREATE INDEX turns_merged ON turns (merged_into) WHERE merged_into IS NOT NULL;

-- A notice's part is negative, so that it never stands in the place of a part of the answer.
UPDATE replies SET part = -1 - part WHERE kind = 'notice' AND part >= 0;

DROP VIEW turn_details;

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
    turns.crashes,
    turns.merged_into,
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
