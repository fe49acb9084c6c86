"""Backup and restore of an embedded home: one file that holds the database and every file of the home that is needed.

docs/decisions/0014-backups-are-dumps.md says why it is a dump and not a copy of files.
"""

from __future__ import annotations

from millstream.backup.archive import Manifest, open_archive
from millstream.backup.restore import check, restore
from millstream.backup.take import take

__all__ = ["Manifest", "check", "open_archive", "restore", "take"]
