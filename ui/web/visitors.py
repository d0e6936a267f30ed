"""Who asks, and what is theirs: the names that one visitor uses are of no use to another.

A visitor is a browser (a secret cookie) of an account (where the page asks for a password).
Session hashes are chosen by the client and folder names travel in addresses; both are bound to
the visitor who used them first, so that knowing a name is not enough.
"""

from __future__ import annotations

import re
import secrets
import threading
from collections import OrderedDict
from dataclasses import dataclass

COOKIE = "freckle-visitor"
_SECRET = re.compile(r"[A-Za-z0-9_-]{43}")


@dataclass(frozen=True)
class Visitor:
    """One browser of one account.

    Attributes:
        account: who logged in; None where the page asks for no password.
        browser: the secret of its cookie; None for programs that keep no cookies.
    """

    account: str | None = None
    browser: str | None = None

    def may_use(self, owner: Visitor) -> bool:
        """Whether what belongs to `owner` is this visitor's.

        What a program without a cookie made belongs to whoever of its account knows the name,
        which is why such names must not be guessable.
        """
        return self.account == owner.account and owner.browser in (None, self.browser)


ANYBODY = Visitor()


def new_secret() -> str:
    """A cookie's value that nobody guesses."""
    return secrets.token_urlsafe(32)


def read_secret(value: str | None) -> str | None:
    """A cookie's value, if it is one."""
    return value if value is not None and _SECRET.fullmatch(value) else None


class Owners:
    """Which name belongs to which visitor.

    Args:
        most: how many names are known at once; the one not asked for longest is forgotten.
    """

    def __init__(self, most: int = 100_000) -> None:
        self._owners: OrderedDict[str, Visitor] = OrderedDict()
        self._most = most
        self._lock = threading.Lock()

    def claim(self, name: str, visitor: Visitor) -> bool:
        """Take a name that is free; returns whether the visitor may use it."""
        with self._lock:
            owner = self._owners.setdefault(name, visitor)
            self._owners.move_to_end(name)
            if len(self._owners) > self._most:
                self._owners.popitem(last=False)
        return visitor.may_use(owner)

    def get(self, name: str) -> Visitor | None:
        """Whose a name is; None where nobody has taken it."""
        return self._owners.get(name)
