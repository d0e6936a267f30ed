"""A memory of this test's own: on SQLite, and on PostgreSQL where FRECKLE_TEST_POSTGRES names one.

A test that asks for `file` looks at SQLite's file, and is run on SQLite alone.
"""

from __future__ import annotations

import os
import uuid

import pytest
from sqlalchemy import create_engine, text
from sqlalchemy.engine import make_url

from memory.preferences import Preferences
from memory.store import Store

SERVER = os.environ.get("FRECKLE_TEST_POSTGRES")


def pytest_generate_tests(metafunc):
    if "url" in metafunc.fixturenames:
        both = "file" not in metafunc.definition._fixtureinfo.argnames
        databases = ["sqlite", "postgresql"] if both else ["sqlite"]
        metafunc.parametrize("url", databases, indirect=True)


@pytest.fixture
def file(tmp_path):
    return tmp_path / "data" / "deep" / "memory.db"


@pytest.fixture
def url(request, file):
    """Where an empty memory may live."""
    if request.param == "sqlite":
        yield f"sqlite:///{file}"
        return
    if not SERVER:
        pytest.skip("FRECKLE_TEST_POSTGRES names no server")
    schema = f"test_{uuid.uuid4().hex}"
    server = create_engine(make_url(SERVER).set(drivername="postgresql+psycopg"))
    with server.begin() as link:
        link.execute(text(f"CREATE SCHEMA {schema}"))
    own = make_url(SERVER).update_query_dict({"options": f"-csearch_path={schema}"})
    yield own.render_as_string(hide_password=False)
    with server.begin() as link:
        link.execute(text(f"DROP SCHEMA {schema} CASCADE"))
    server.dispose()


@pytest.fixture
def memory(url):
    preferences = Preferences(Store(url))
    yield preferences
    preferences.store.close()
