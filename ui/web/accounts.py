"""Who may log in, and whose memory a visitor's is.

A password file has a line `USER:scrypt$N$R$P$SALT$HASH` for each account (`freckle account add`
writes them); a password itself is never stored. Whoever tries too often waits.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import ipaddress
import secrets
import time
from base64 import b64decode, b64encode
from collections import deque
from collections.abc import Iterable
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from memory.preferences import MAX_NAME, Preferences, named
from ui.outputs import Outputs
from vision.errors import FreckleError

if TYPE_CHECKING:
    import gradio as gr

LEAST_PASSWORD = 8
# 32 MiB and some tenths of a second for each guess.
COST, BLOCK, PARALLEL = 2**15, 8, 3
MOST_MEMORY = 2**28
# Failed logins within `WINDOW` seconds: of one name from one address, from one address, and of one
# name from everywhere, which is more, so that a stranger does not simply lock somebody out.
WINDOW, OF_ONE_USER, FROM_ONE_CLIENT, OF_ONE_NAME = 60.0, 5, 15, 50
LOGIN_HINT = f"After {OF_ONE_USER} wrong tries you have to wait a minute."

# The address that the request at hand came from; `FromWhere` sets it.
_client: ContextVar[str] = ContextVar("client", default="")


@dataclass(frozen=True)
class Password:
    """What is stored of a password: scrypt's cost, block size, parallelism, salt and result."""

    cost: int
    block: int
    parallel: int
    salt: bytes
    hash: bytes

    @classmethod
    def of(cls, password: str) -> Password:
        """A password under a salt of its own."""
        salt = secrets.token_bytes(16)
        return cls(COST, BLOCK, PARALLEL, salt, _scrypt(password, COST, BLOCK, PARALLEL, salt, 32))

    @classmethod
    def read(cls, text: str) -> Password:
        """What `str` wrote; raises ValueError for anything else."""
        name, cost, block, parallel, salt, hash = text.split("$")
        read = cls(
            int(cost), int(block), int(parallel),
            b64decode(salt, validate=True), b64decode(hash, validate=True),
        )  # fmt: skip
        if name != "scrypt" or len(read.salt) < 8 or len(read.hash) < 16:
            raise ValueError("not a hash of scrypt")
        if read.cost < 2 or read.cost.bit_count() > 1 or read.block < 1:
            raise ValueError("the cost is a power of two, the block size 1 or more")
        if not 1 <= read.parallel <= 64 or 128 * read.cost * read.block > MOST_MEMORY:
            raise ValueError("takes too long, or too much memory")
        return read

    def __str__(self) -> str:
        salt, hash = (b64encode(part).decode() for part in (self.salt, self.hash))
        return f"scrypt${self.cost}${self.block}${self.parallel}${salt}${hash}"

    def fits(self, password: str) -> bool:
        """Whether it is this password; takes as long when it is not."""
        size = len(self.hash)
        tried = _scrypt(password, self.cost, self.block, self.parallel, self.salt, size)
        return hmac.compare_digest(tried, self.hash)


def _scrypt(password: str, cost: int, block: int, parallel: int, salt: bytes, size: int) -> bytes:
    return hashlib.scrypt(
        password.encode(), salt=salt, n=cost, r=block, p=parallel, dklen=size,
        maxmem=2 * MOST_MEMORY,
    )  # fmt: skip


def read_accounts(path: Path) -> dict[str, Password]:
    """The accounts of a password file.

    Raises:
        FreckleError: it cannot be read, or a line is something else; no line is ever shown.
    """
    accounts: dict[str, Password] = {}
    for number, line in enumerate(_lines(path), start=1):
        if not _says_something(line):
            continue
        user, _, stored = line.strip().partition(":")
        try:
            name = _account_name(user)
        except ValueError as error:
            raise FreckleError(f"{path}, line {number}: {error}") from None
        try:
            accounts[name] = Password.read(stored)
        except ValueError:
            raise FreckleError(
                f"{path}, line {number}: passwords are kept as hashes only; delete the line and "
                f"run `freckle account add {path} USER`"
            ) from None
    if not accounts:
        raise FreckleError(f"{path} holds no account: run `freckle account add {path} USER`")
    return accounts


def add_account(path: Path, user: str, password: str) -> bool:
    """Write an account to a password file, made where there is none and readable by its owner
    alone; returns whether the account was there before, with another password.

    Raises:
        FreckleError: name, password or file cannot be used.
    """
    try:
        user = _account_name(user)
    except ValueError as error:
        raise FreckleError(str(error)) from None
    if len(password) < LEAST_PASSWORD:
        raise FreckleError(f"the password is too short: take {LEAST_PASSWORD} characters or more")
    lines = _lines(path) if path.exists() else []
    rest = [line for line in lines if line.strip().partition(":")[0] != user]
    text = "\n".join([*rest, f"{user}:{Password.of(password)}", ""])
    with Outputs((), overwrite=True) as outputs:
        temporary = outputs.claim(path)
        try:
            temporary.touch(mode=0o600, exist_ok=False)
        except OSError as error:
            raise FreckleError(f"cannot write {path}: {error.strerror}") from None
        outputs.write(temporary, text.encode())
    return len(rest) < len(lines)


def _account_name(user: str) -> str:
    if not user.strip() or user != user.strip() or ":" in user or user.startswith("#"):
        raise ValueError("an account's name has no colon, no # and no blank at its ends")
    if len(user) > MAX_NAME or not user.isprintable():
        raise ValueError(f"an account's name has up to {MAX_NAME} printable characters")
    return user


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise FreckleError(f"cannot read the accounts in {path}: {error}") from None


def _says_something(line: str) -> bool:
    return bool(line.strip()) and not line.startswith("#")


class Attempts:
    """Failed logins of the last minute, by name and by address."""

    def __init__(self) -> None:
        self._failed: dict[tuple[str, str], deque[float]] = {}

    def wait(self, user: str, client: str, now: float) -> float:
        """Seconds until somebody may try this name from there again."""
        self._forget(now)
        waits = [
            failed[0] + WINDOW - now
            for key, limit in _limits(user, client)
            if len(failed := self._failed.get(key, deque())) >= limit
        ]
        return max(waits, default=0.0)

    def count(self, user: str, client: str, now: float) -> None:
        """Note a try, before it is known to fail: many at once are many tries."""
        for key, limit in _limits(user, client):
            self._failed.setdefault(key, deque(maxlen=limit)).append(now)

    def forgive(self, user: str, client: str, now: float) -> None:
        """The try of `now` was right after all."""
        for key, _ in _limits(user, client):
            if now in self._failed.get(key, ()):
                self._failed[key].remove(now)

    def _forget(self, now: float) -> None:
        for key, times in list(self._failed.items()):
            while times and times[0] <= now - WINDOW:
                times.popleft()
            if not times:
                del self._failed[key]


def _limits(user: str, client: str) -> Iterable[tuple[tuple[str, str], int]]:
    """What a try counts for, and how often it may; names of any length take the same room."""
    name = hashlib.sha256(user.encode()).hexdigest()
    return (
        (("user", f"{name} {client}"), OF_ONE_USER),
        (("client", client), FROM_ONE_CLIENT),
        (("name", name), OF_ONE_NAME),
    )


class Accounts:
    """The accounts of one server; `login` is what the page asks."""

    def __init__(self, accounts: dict[str, Password]) -> None:
        self._accounts = accounts
        # Unknown names take as long as known ones: their passwords are compared with this.
        first = next(iter(accounts.values()))
        self._nobody = Password(
            first.cost, first.block, first.parallel, secrets.token_bytes(16), first.hash
        )
        self._attempts = Attempts()
        self._one = asyncio.Lock()

    @classmethod
    def with_password(cls, user: str, password: str) -> Accounts:
        """One account."""
        return cls({user: Password.of(password)})

    async def login(self, user: str, password: str) -> bool:
        """Whether somebody may come in; after too many wrong tries nobody may, for a while."""
        now, client = time.monotonic(), _client.get()
        if self._attempts.wait(user, client, now) > 0:
            return False
        self._attempts.count(user, client, now)
        async with self._one:  # each guess takes memory
            stored = self._accounts.get(user, self._nobody)
            fits = await asyncio.to_thread(stored.fits, password)
        if not (fits and user in self._accounts):
            return False
        self._attempts.forgive(user, client, now)
        return True


class FromWhere:
    """ASGI middleware that tells `Accounts.login` which address a request comes from."""

    def __init__(self, app: Any) -> None:
        self._app = app

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "http":
            _client.set(_network((scope.get("client") or ("",))[0]))
        await self._app(scope, receive, send)


def _network(address: str) -> str:
    """An address, or the network of an IPv6 one: a household has as many as it likes."""
    try:
        known = ipaddress.ip_address(address)
    except ValueError:
        return address
    if known.version == 4:
        return address
    return str(ipaddress.ip_network((known.packed[:8] + bytes(8), 64)))


@dataclass(frozen=True)
class Profiles:
    """Whose memory a visitor's is.

    Attributes:
        memory: everybody's.
        by: "account": it is that of whoever logged in; "name": on a private page visitors name
            their own; "nobody": everyone is a guest, about whom nothing is remembered.
        logs_in: whether there is anything to log out of.
    """

    memory: Preferences
    by: Literal["account", "name", "nobody"]
    logs_in: bool = False

    def user(self, request: gr.Request, profile: object = None) -> str | None:
        """The user of a request, None for a guest; `profile` is what the page's own profile
        component holds, which counts on a private page alone.

        Raises:
            PreferenceError: the profile's name is too long.
        """
        if self.by == "account":
            return request.username
        name = profile.get("name") if self.by == "name" and isinstance(profile, dict) else None
        return named(name.strip()) if isinstance(name, str) and name.strip() else None

    def named(self, request: gr.Request, name: str) -> str | None:
        """The user of a program's request, which may name a profile as the page's visitors do."""
        return self.user(request, {"name": name})
