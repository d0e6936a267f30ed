"""Where memory lives: three SQL tables, SQLite in the user's data folder or any SQLAlchemy URL.

Nothing exists on disk before the first write. A database that is opened is brought to the newest
schema by the Alembic migrations packaged beside this module; one from a newer version is refused.
Every failure of the database is a `StoreError` that names it.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import (
    JSON,
    URL,
    Connection,
    DateTime,
    Dialect,
    Engine,
    Float,
    Index,
    NullPool,
    PoolProxiedConnection,
    QueuePool,
    String,
    Text,
    TypeDecorator,
    create_engine,
    event,
)
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError, SQLAlchemyError
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column

from vision.errors import FreckleError

# Seconds that a writer waits for another process to finish before it gives up.
BUSY_SECONDS = 30


# The number of the lock that PostgreSQL holds for whoever migrates.
MIGRATING = 7352655


class StoreError(FreckleError):
    """The memory database cannot be used; the message says which one and what to do."""


class Base(DeclarativeBase):
    """The tables, as the newest migration leaves them."""


class Utc(TypeDecorator[datetime]):
    """A moment in UTC that knows it is one (SQLite forgets the zone)."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        return None if value is None else value.astimezone(UTC)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        return None if value is None else value.replace(tzinfo=value.tzinfo or UTC)


class ObservationRow(Base):
    """One thing that a user said or accepted; read and written as `preferences.Observation`."""

    __tablename__ = "observations"

    id: Mapped[int] = mapped_column(primary_key=True)
    user_name: Mapped[str] = mapped_column(String(200), index=True)
    kind: Mapped[str] = mapped_column(String(40))
    region: Mapped[str] = mapped_column(String(40))
    side: Mapped[str | None] = mapped_column(String(20))
    phrase: Mapped[str | None] = mapped_column(Text)
    polarity: Mapped[str] = mapped_column(String(10))
    strength: Mapped[float | None] = mapped_column(Float)
    source: Mapped[str] = mapped_column(String(10))
    time: Mapped[datetime] = mapped_column(Utc)
    amount: Mapped[float | None] = mapped_column(Float)
    scene: Mapped[dict | None] = mapped_column(JSON(none_as_null=True))
    visit: Mapped[str | None] = mapped_column(String(32))


class PausedRow(Base):
    """A user of whom nothing is learnt or recalled until they say so."""

    __tablename__ = "paused"

    user_name: Mapped[str] = mapped_column(String(200), primary_key=True)


class MessageRow(Base):
    """One message of a conversation, as langchain-core writes it down."""

    __tablename__ = "messages"
    __table_args__ = (Index("ix_messages_user_name_visit", "user_name", "visit"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    user_name: Mapped[str] = mapped_column(String(200))
    visit: Mapped[str] = mapped_column(String(200))
    message: Mapped[dict] = mapped_column(JSON)


class Store:
    """A memory database, opened when it is first needed; safe to share between threads."""

    def __init__(self, url: str) -> None:
        try:
            self._url = make_url(url)
            if self._url.drivername == "postgresql":
                self._url = self._url.set(drivername="postgresql+psycopg")
        except ArgumentError:
            raise StoreError(
                f"{url!r} is not a database URL: set FRECKLE_DATABASE_URL to something like "
                "sqlite:////home/me/memory.db"
            ) from None
        self._engine: Engine | None = None
        self._lock = threading.Lock()

    @property
    def name(self) -> str:
        """The database as shown to people: a file path, or a URL without its password."""
        return str(self._file or self._url.render_as_string(hide_password=True))

    @contextmanager
    def reading(self) -> Iterator[Session | None]:
        """A session to read with, or None while a SQLite file has never been written."""
        with self._clear_errors():
            if self._engine is None and self._file is not None and not self._file.exists():
                yield None
                return
            with Session(self._opened()) as session:
                yield session

    @contextmanager
    def writing(self) -> Iterator[Session]:
        """A session whose changes are all committed at the end, or none of them."""
        with self._clear_errors():
            engine = self._opened().execution_options(freckle_writes=True)
            with Session(engine) as session, session.begin():
                yield session

    def close(self) -> None:
        """Let go of the database; it is opened again when it is next needed."""
        with self._lock:
            if self._engine is not None:
                self._engine.dispose()
                self._engine = None

    def scrub(self) -> None:
        """Let nothing that was deleted linger in the database's files.

        SQLite is written anew and its log emptied, which waits for those who read at this moment;
        `StoreError` where they do not end, or the disk has no room for it.
        PostgreSQL clears its tables; what a server keeps
        beside them (its log, backups) is its administrator's.
        """
        with self._clear_errors():
            engine = self._opened()
            link = engine.raw_connection()
            try:
                self._scrubbed(link)
            except engine.dialect.loaded_dbapi.Error as error:
                raise self._traces(str(error)) from error
            finally:
                link.close()

    def _traces(self, why: str) -> StoreError:
        return StoreError(
            f"what was forgotten is deleted from the memory at {self.name}, but its traces are not "
            f"yet ({why}): mend that and forget once more"
        )

    def _scrubbed(self, link: PoolProxiedConnection) -> None:
        cursor = link.cursor()
        if self._url.get_backend_name() != "sqlite":
            link.rollback()
            server: Any = link.driver_connection
            server.autocommit = True  # a VACUUM runs in no transaction
            try:
                for table in Base.metadata.sorted_tables:
                    cursor.execute(f"VACUUM {table.name}")
            finally:
                server.autocommit = False
            return
        # Zeroed cells are not all: rows that were moved within a page leave copies behind.
        cursor.execute("VACUUM")
        busy, *_ = cursor.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        if busy:
            raise self._traces("another program is reading it")

    @property
    def _file(self) -> Path | None:
        if self._url.get_backend_name() != "sqlite" or self._url.database in (None, "", ":memory:"):
            return None
        return Path(str(self._url.database))

    def _opened(self) -> Engine:
        with self._lock:
            if self._engine is None:
                self._engine = self._migrated(self._made())
            return self._engine

    def _made(self) -> Engine:
        if self._file is not None:
            # What is remembered is nobody else's on this machine.
            self._file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            if not str(self._file).startswith("file:"):
                os.close(os.open(self._file, os.O_CREAT | os.O_RDONLY, 0o600))
        return _engine(self._url)

    def migrate(self, revision: str = "head") -> None:
        """Bring an older database to a schema; opening one brings it to the newest by itself."""
        with self._clear_errors(), self._lock:
            engine = self._engine or self._made()
            self._engine = self._upgraded(engine, revision)

    def _migrated(self, engine: Engine) -> Engine:
        scripts = _scripts()
        # A database that is up to date is not written, and may be read-only.
        with engine.connect() as link:
            revision = MigrationContext.configure(link).get_current_revision()
        if revision == scripts.get_current_head():
            return engine
        known = {script.revision for script in scripts.walk_revisions()}
        if revision is not None and revision not in known:
            raise StoreError(
                f"the memory at {self.name} was written by a newer version of freckle (schema "
                f"{revision}): update freckle, or set FRECKLE_DATABASE_URL to another database"
            )
        return self._upgraded(engine, "head")

    def _upgraded(self, engine: Engine, target: str) -> Engine:
        config = _config()
        # Of two processes that get here, the second waits, looks again and finds nothing to do.
        with engine.execution_options(freckle_writes=True).begin() as link:
            if engine.dialect.name == "postgresql":
                link.exec_driver_sql(f"SELECT pg_advisory_xact_lock({MIGRATING})")
            config.attributes["connection"] = link
            command.upgrade(config, target)
        return engine

    @contextmanager
    def _clear_errors(self) -> Iterator[None]:
        try:
            yield
        except (SQLAlchemyError, OSError, ImportError) as error:
            reason = str(getattr(error, "orig", None) or error).splitlines()[0]
            raise StoreError(
                f"the memory at {self.name} cannot be used ({reason}): make it a writable "
                "database, or set FRECKLE_DATABASE_URL to another one"
            ) from error


def revisions() -> list[str]:
    """The names of all schemas, the oldest first."""
    return [script.revision for script in reversed(list(_scripts().walk_revisions()))]


def _scripts() -> ScriptDirectory:
    return ScriptDirectory.from_config(_config())


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", "memory:migrations")
    return config


def _engine(url: URL) -> Engine:
    if url.get_backend_name() != "sqlite":
        return create_engine(url, pool_pre_ping=True)  # servers end idle connections
    if url.database in (None, "", ":memory:"):
        # It lives in its one connection, which threads take in turns.
        engine = create_engine(
            url,
            poolclass=QueuePool,
            pool_size=1,
            max_overflow=0,
            connect_args={"check_same_thread": False},
        )
    else:
        # Closing each connection lets SQLite tidy its log away.
        engine = create_engine(url, poolclass=NullPool, connect_args={"timeout": BUSY_SECONDS})

    @event.listens_for(engine, "connect")
    def _configure(connection: Any, _record: object) -> None:
        # Transactions are begun below: left to itself, sqlite3 commits schema changes early.
        connection.isolation_level = None
        for pragma in ("journal_mode=WAL", "foreign_keys=ON", "secure_delete=ON"):
            connection.execute(f"PRAGMA {pragma}")

    @event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        writes = connection.get_execution_options().get("freckle_writes", False)
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")

    return engine
