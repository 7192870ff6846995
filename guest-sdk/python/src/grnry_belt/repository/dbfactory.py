"""`Database`, kept so that belts written for it load; a sandboxed belt cannot open connections."""

from __future__ import annotations

from typing import Any, NoReturn, Optional


class DatabaseNotAvailable(RuntimeError):
    """A belt asked for a database connection."""


class Database:
    """Can be made and configured at module level; connecting raises `DatabaseNotAvailable`."""

    def __init__(
        self,
        db_name: Optional[str] = None,
        db_user: Optional[str] = None,
        db_pwd: Optional[str] = None,
        db_host: Optional[str] = None,
    ) -> None:
        #: None, since there is never a connection.
        self.cursor: Any = None
        self.db_name = db_name
        self.db_user = db_user
        self.db_pwd = db_pwd
        self.db_host = db_host

    def create_connection_pool(self) -> NoReturn:
        """Raises `DatabaseNotAvailable`."""
        _refuse()

    def connect(self) -> NoReturn:
        """Raises `DatabaseNotAvailable`."""
        _refuse()


def _refuse() -> NoReturn:
    raise DatabaseNotAvailable(
        "Database is not available: a belt runs in a sandbox without network. "
        "Emit a DirectUpdate and let the live segment's persister write the row"
    )
