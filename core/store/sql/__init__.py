"""The store over a SQL database. The SQL stands in queries/ and migrations/."""

from __future__ import annotations

from core.store.sql.conversations import SqlConversations
from core.store.sql.journal import SqlJournal
from core.store.sql.replies import SqlReplies
from core.store.sql.room import utc_now
from core.store.sql.together import SqlTogether

__all__ = ["SqlStore", "utc_now"]


class SqlStore(SqlJournal, SqlReplies, SqlConversations, SqlTogether):
    """The store over a SQL database. `open_sqlite` and `open_postgres` make one.

    Where a transaction moves several rows of a conversation, it first locks the conversation: such
    transactions follow one another, in whatever process they run.
    """

    async def aclose(self) -> None:
        """Close the database, after the writes under way."""
        await self.database.aclose()
