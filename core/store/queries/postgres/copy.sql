-- What PostgreSQL needs after rows with ids of their own were put in.

-- name: restart_ids()^
-- Let new ids follow the greatest ones.
SELECT
    (
        SELECT SETVAL(PG_GET_SERIAL_SEQUENCE('conversations', 'id'), MAX(id)) FROM conversations
    ) AS conversations,
    (SELECT SETVAL(PG_GET_SERIAL_SEQUENCE('turns', 'id'), MAX(id)) FROM turns) AS turns,
    (SELECT SETVAL(PG_GET_SERIAL_SEQUENCE('messages', 'id'), MAX(id)) FROM messages) AS messages;
