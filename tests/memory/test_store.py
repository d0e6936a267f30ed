from __future__ import annotations

import sqlite3
import threading

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import create_engine

from memory.preferences import Observation, Preferences
from memory.scene import scene_of
from memory.store import Base, Store, StoreError, revisions
from vision.settings import Settings

KEEP = Observation(kind="freckles", region="face", polarity="keep", source="explicit")


def test_a_write_creates_folder_and_schema(memory, file):
    memory.learn("mia", [KEEP])
    with sqlite3.connect(file) as link:
        assert link.execute("select version_num from alembic_version").fetchall() == [("0002",)]
        assert link.execute("pragma journal_mode").fetchone() == ("wal",)


def test_what_is_remembered_is_read_by_its_owner_alone(memory, file):
    memory.learn("mia", [KEEP])
    assert (file.stat().st_mode & 0o777, file.parent.stat().st_mode & 0o777) == (0o600, 0o700)


def test_the_migrations_make_what_the_models_describe(memory, file):
    memory.learn("mia", [KEEP])
    with create_engine(f"sqlite:///{file}").connect() as link:
        context = MigrationContext.configure(link)
        assert compare_metadata(context, Base.metadata) == []


def test_a_newer_schema_is_refused(memory, file):
    memory.learn("mia", [KEEP])
    with sqlite3.connect(file) as link:
        link.execute("update alembic_version set version_num = '9999'")
    again = Preferences.load(Settings(database_url=f"sqlite:///{file}"))
    for use in (lambda: again.recall("mia"), lambda: again.learn("mia", [KEEP])):
        with pytest.raises(StoreError, match=r"newer version of freckle \(schema 9999\)"):
            use()


def test_a_file_that_is_no_database_is_told(memory, file):
    file.parent.mkdir(parents=True)
    file.write_bytes(b"these are my holiday notes" * 100)
    with pytest.raises(StoreError, match="not a database") as error:
        memory.recall("mia")
    assert str(file) in str(error.value)
    assert "\n" not in str(error.value)
    assert file.read_bytes().startswith(b"these are my holiday notes")


def test_a_place_that_cannot_be_written_is_told(tmp_path):
    (tmp_path / "in the way").write_text("a file")
    url = f"sqlite:///{tmp_path / 'in the way' / 'memory.db'}"
    memory = Preferences.load(Settings(database_url=url))
    with pytest.raises(StoreError, match="cannot be used"):
        memory.learn("mia", [KEEP])


@pytest.mark.parametrize("wrong", ["nonsense", "nosuchdb://host/x"])
def test_a_bad_url_is_told(wrong):
    with pytest.raises(StoreError):
        Preferences(Store(wrong)).learn("mia", [KEEP])


def test_a_password_is_never_shown():
    assert "secret" not in Store("postgresql://me:secret@host/db").name


def test_a_failed_write_leaves_nothing(memory, file):
    memory.learn("mia", [KEEP])
    store = Store(f"sqlite:///{file}")
    with pytest.raises(RuntimeError), store.writing() as session:
        session.connection().exec_driver_sql("delete from observations")
        raise RuntimeError
    assert len(memory.recall("mia")) == 1


def test_threads_and_a_database_in_memory():
    memory = Preferences(Store("sqlite://"))
    seen = [KEEP.model_copy(update={"source": "accepted"})]
    threads = [threading.Thread(target=memory.learn, args=("mia", seen)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert memory.recall("mia")[0].count == 8


SCENES = {"scene": scene_of({"faces": 0.25, "size": 0.6}), "visit": "a1b2"}
OLD_ROWS = {
    "0001": "insert into observations (user_name, kind, region, polarity, strength, source, time) "
    "values ('mia', 'wrinkles', 'face', 'reduce', 0.3, 'accepted', '2026-05-03 12:00:00')",
}


def driven(url):
    return url.replace("postgresql:", "postgresql+psycopg:")


@pytest.mark.parametrize("revision", OLD_ROWS)
def test_every_older_schema_is_brought_up_to_date(memory, url, revision):
    memory.store.migrate(revision)
    with create_engine(driven(url)).begin() as link:
        link.exec_driver_sql(OLD_ROWS[revision])
    memory.store.close()
    assert memory.recall("mia")[0].strength == 0.3
    memory.learn("mia", [KEEP.model_copy(update=SCENES)])
    assert memory.why("mia", "freckles")[0].scene == SCENES["scene"]


def test_every_schema_has_a_row_to_migrate():
    assert set(OLD_ROWS) == set(revisions()[:-1])


def test_what_cannot_be_scrubbed_is_told_to_be_deleted(memory, file, monkeypatch):
    memory.learn("mia", [KEEP])

    def full(self, link):
        raise sqlite3.OperationalError("database or disk is full")

    with monkeypatch.context() as patch:
        patch.setattr(Store, "_scrubbed", full)
        with pytest.raises(StoreError, match=r"is deleted .* traces are not yet .*disk is full"):
            memory.forget("mia")
    assert memory.show("mia") == ()
