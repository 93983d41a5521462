-- Files that came with messages. What a platform told of them is committed with the message; what was
-- read of them is stored once, by its hash, however often it is sent.

-- name: insert_attachment(turn_id, number, file_id, name, url, media_type, size_bytes, note)*!
-- Keep what a platform told of a question's file.
INSERT INTO attachments (turn_id, number, file_id, name, url, media_type, size_bytes, note)
VALUES (:turn_id, :number, :file_id, :name, :url, :media_type, :size_bytes, :note);

-- name: load_wanted_files(turn_id)
-- The files that nobody has read yet, of a turn's question and of those that are merged into it.
SELECT
    attachments.*, turns.platform, turns.workspace, turns.channel, conversations.thread, turns.message_id
FROM attachments
INNER JOIN turns ON turns.id = attachments.turn_id
INNER JOIN conversations ON conversations.id = turns.conversation_id
WHERE (turns.id = :turn_id OR turns.merged_into = :turn_id)
    AND attachments.sha256 IS NULL
    AND attachments.note = ''
ORDER BY turns.sent_at, attachments.turn_id, attachments.number;

-- name: load_attachments(platform, workspace, channel, thread)
-- What platforms told of all files of a conversation.
SELECT attachments.*
FROM conversations
INNER JOIN turns ON turns.conversation_id = conversations.id
INNER JOIN attachments ON attachments.turn_id = turns.id
WHERE conversations.platform = :platform
    AND conversations.workspace = :workspace
    AND conversations.channel = :channel
    AND conversations.thread = :thread
ORDER BY attachments.turn_id, attachments.number;

-- name: put_file(sha256, media_type, content, text, now)^
-- Keep a file, or note that it was used just now, so that nobody prunes it before it is linked.
INSERT INTO files (sha256, media_type, content, text, used_at)
VALUES (:sha256, :media_type, :content, :text, :now)
ON CONFLICT (sha256) DO UPDATE SET
    media_type = excluded.media_type,
    content = excluded.content,
    text = excluded.text,
    used_at = excluded.used_at
RETURNING sha256;

-- name: link_file(turn_id, number, sha256, note)^
-- Say what became of a question's file: what was read of it, or (without a hash) why it was not.
UPDATE attachments SET sha256 = :sha256, note = :note
WHERE turn_id = :turn_id AND number = :number
RETURNING number;

-- name: find_file(sha256)^
-- A file by its hash.
SELECT media_type, content, text FROM files WHERE sha256 = :sha256;

-- name: prune_files(untouched_since)
-- Delete the files that no message has. One that was used since may just be on its way to a message.
DELETE FROM files
WHERE used_at < :untouched_since
    AND NOT EXISTS (SELECT 1 FROM attachments WHERE attachments.sha256 = files.sha256)
RETURNING sha256;
