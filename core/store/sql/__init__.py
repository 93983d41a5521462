"""The store over a SQL database. The SQL stands in queries/ and migrations/."""

from __future__ import annotations

from core.errors import StoreError
from core.store.sql.accounts import SqlAccounts
from core.store.sql.attachments import SqlAttachments
from core.store.sql.conversations import SqlConversations
from core.store.sql.journal import SqlJournal
from core.store.sql.memories import SqlMemories
from core.store.sql.replies import SqlReplies
from core.store.sql.room import utc_now
from core.store.sql.together import SqlTogether

__all__ = ["SqlStore", "utc_now"]


class SqlStore(
    SqlJournal, SqlReplies, SqlConversations, SqlAttachments, SqlMemories, SqlAccounts, SqlTogether
):
    """The store over a SQL database. `open_sqlite` and `open_postgres` make one.

    Where a transaction moves several rows of a conversation, it first locks the conversation: such
    transactions follow one another, in whatever process they run.
    """

    async def ping(self) -> None:
        """Return if the database can be read, and says that it takes writes."""
        answer = await self.database.find("ping")
        if answer is None or not answer["is_writable"]:
            raise StoreError(f"{self.database.name} takes no writes")

    async def aclose(self) -> None:
        """Close the database, after the writes under way."""
        await self.database.aclose()
