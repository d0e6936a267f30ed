"""Passwords as hashes, a limit on guessing, and whose memory a visitor's is."""

from __future__ import annotations

import asyncio
import io
import stat
import time
from types import SimpleNamespace

import pytest

from ui.web import accounts
from ui.web.accounts import (
    FROM_ONE_CLIENT,
    OF_ONE_NAME,
    OF_ONE_USER,
    WINDOW,
    Accounts,
    Attempts,
    Password,
    Profiles,
    add_account,
    read_accounts,
)
from vision.errors import FreckleError


@pytest.fixture(autouse=True)
def cheap(monkeypatch):
    """Hashes that cost no time."""
    monkeypatch.setattr(accounts, "COST", 2**4)


def test_a_password_is_never_stored_and_fits_again():
    one, other = Password.of("long enough"), Password.of("long enough")
    assert str(one) != str(other) and "long enough" not in str(one)
    read = Password.read(str(one))
    assert read.fits("long enough") and not read.fits("long enough ")


@pytest.mark.parametrize("wrong", [
    "secret", "scrypt$16$8$1$c2FsdHNhbHQ=$aGFzaA==", "scrypt$15$8$1$AAAAAAAAAAAAAAAA$" + "A" * 32,
    "scrypt$1073741824$8$1$AAAAAAAAAAAAAAAA$" + "A" * 32, "scrypt$16$8$1$!!$" + "A" * 32,
    "md5$16$8$1$AAAAAAAAAAAAAAAA$" + "A" * 32, "scrypt$16$8$-1$AAAAAAAAAAAAAAAA$" + "A" * 32,
])  # fmt: skip
def test_anything_but_a_hash_is_refused(wrong):
    Password.read("scrypt$16$8$1$AAAAAAAAAAAAAAAA$" + "A" * 32)
    with pytest.raises(ValueError):
        Password.read(wrong)


def test_accounts_are_added_changed_and_private(tmp_path):
    file = tmp_path / "accounts"
    assert not add_account(file, "mia", "long enough")
    assert not add_account(file, "noah", "another one")
    file.write_text("# ours\n\n" + file.read_text())
    assert add_account(file, "mia", "a new password")
    known = read_accounts(file)
    assert set(known) == {"mia", "noah"}
    assert known["mia"].fits("a new password") and known["noah"].fits("another one")
    assert "# ours" in file.read_text() and "password" not in file.read_text()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert {path.name for path in tmp_path.iterdir()} == {"accounts"}


@pytest.mark.parametrize(
    ("user", "password", "why"),
    [("", "long enough", "blank"), ("a:b", "long enough", "colon"), ("mia", "short", "too short"),
     ("mia\n", "long enough", "blank"), ("m\x00a", "long enough", "printable")],
)  # fmt: skip
def test_accounts_that_cannot_be(tmp_path, user, password, why):
    with pytest.raises(FreckleError, match=why):
        add_account(tmp_path / "accounts", user, password)
    assert not any(tmp_path.iterdir())


def test_plain_passwords_are_refused_with_what_to_do(tmp_path):
    file = tmp_path / "accounts"
    for text, why in (("mia:secret", "line 1"), ("# a\nsecret", "line 2"), ("# a", "no account")):
        file.write_text(text)
        with pytest.raises(FreckleError, match=f"{why}.*freckle account add") as caught:
            read_accounts(file)
        assert "secret" not in str(caught.value)
    file.write_text(f" : {Password.of('long enough')}".replace(": ", ":"))
    with pytest.raises(FreckleError, match="line 1: an account's name has no"):
        read_accounts(file)
    with pytest.raises(FreckleError, match="cannot read"):
        read_accounts(tmp_path / "missing")


def test_the_command_line_adds_an_account(freckle, tmp_path, monkeypatch):
    file = tmp_path / "accounts"
    for password, done in (("long enough", "may log in"), ("longer than that", "new password")):
        monkeypatch.setattr("sys.stdin", io.StringIO(password + "\n"))
        outcome = freckle("account", "add", file, "mia")
        assert outcome.code == 0 and done in outcome.out and password not in outcome.out
    assert read_accounts(file)["mia"].fits("longer than that")
    monkeypatch.setattr("sys.stdin", io.StringIO("short\n"))
    outcome = freckle("account", "add", file, "mia")
    assert (outcome.code, outcome.err.count("\n")) == (2, 1)


def login(door: Accounts, user: str, password: str, client: str = "192.0.2.1") -> bool:
    accounts._client.set(client)
    return asyncio.run(door.login(user, password))


def test_who_may_come_in():
    door = Accounts({"mia": Password.of("long enough"), "noah": Password.of("another one")})
    assert login(door, "mia", "long enough")
    assert not login(door, "mia", "another one")
    assert not login(door, "nobody", "long enough")


def test_guessing_takes_turns_with_waiting(monkeypatch):
    door = Accounts.with_password("mia", "long enough")
    for _ in range(OF_ONE_USER):
        assert not login(door, "mia", "guess")
    assert not login(door, "mia", "long enough")
    now = time.monotonic()
    assert 0 < door._attempts.wait("mia", "192.0.2.1", now) <= WINDOW
    assert login(door, "mia", "long enough", client="192.0.2.2")  # she is not locked out
    assert door._attempts.wait("noah", "192.0.2.1", now) == 0  # another name may still be tried
    monkeypatch.setattr(accounts, "WINDOW", 0.0)  # the wait is over
    assert login(door, "mia", "long enough")


def test_guesses_of_one_name_from_everywhere_have_an_end():
    tried = Attempts()
    for number in range(OF_ONE_NAME):
        assert tried.wait("mia", f"client{number}", 1.0) == 0
        tried.count("mia", f"client{number}", 1.0)
    assert tried.wait("mia", "another", 2.0) == WINDOW - 1
    assert tried.wait("noah", "another", 2.0) == 0


def test_being_right_does_not_count():
    door = Accounts.with_password("mia", "long enough")
    for _ in range(OF_ONE_USER + FROM_ONE_CLIENT):
        assert login(door, "mia", "long enough")


def test_attempts_of_one_client_are_limited_and_forgotten():
    tried = Attempts()
    for number in range(FROM_ONE_CLIENT):
        assert tried.wait(f"user{number}", "here", float(number)) == 0
        tried.count(f"user{number}", "here", float(number))
    now = float(FROM_ONE_CLIENT)
    assert tried.wait("another", "here", now) == WINDOW - now
    assert tried.wait("another", "there", now) == 0
    assert tried.wait("another", "here", WINDOW) == 0
    tried.wait("another", "here", now + WINDOW)
    assert not tried._failed


def test_one_network_of_the_new_kind_is_one_client():
    assert accounts._network("2001:db8::1") == accounts._network("2001:db8::ffff:1")
    assert accounts._network("2001:db8:0:1::1") != accounts._network("2001:db8::1")
    assert accounts._network("192.0.2.1") != accounts._network("192.0.2.2")
    assert accounts._network("testclient") == "testclient"


def asked_by(name: str | None):
    return SimpleNamespace(username=name)


def test_a_profile_belongs_to_its_account():
    profiles = Profiles(memory=None, by="account")
    assert profiles.user(asked_by("mia"), {"name": "noah"}) == "mia"
    assert profiles.user(asked_by(None), {"name": "noah"}) is None


def test_without_accounts_everyone_is_a_guest_unless_alone():
    shared = Profiles(memory=None, by="nobody")
    assert shared.user(asked_by("guest"), {"name": "mia"}) is None
    private = Profiles(memory=None, by="name")
    assert private.user(asked_by(None), {"name": " mia "}) == "mia"
    for nothing in (None, {}, {"name": " "}, {"name": 3}, "mia", ["mia"]):
        assert private.user(asked_by(None), nothing) is None
    with pytest.raises(FreckleError, match="characters"):
        private.user(asked_by(None), {"name": "m" * 1000})
