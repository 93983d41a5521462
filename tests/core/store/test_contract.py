"""Runs the contract suite over each backend."""

from __future__ import annotations

from tests.core.store.accounts_contract import AccountsContract
from tests.core.store.contract import JournalContract
from tests.core.store.files_contract import FilesContract
from tests.core.store.memories_contract import MemoriesContract
from tests.core.store.memory_contract import MemoryContract
from tests.core.store.merging_contract import MergingContract


class TestJournal(JournalContract):
    pass


class TestMerging(MergingContract):
    pass


class TestMemory(MemoryContract):
    pass


class TestMemories(MemoriesContract):
    pass


class TestFiles(FilesContract):
    pass


class TestAccounts(AccountsContract):
    pass
