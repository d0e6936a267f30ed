"""Errors that are meant for the person who made the call: one clear line each."""

from __future__ import annotations


class FreckleError(ValueError):
    """The call or a file is wrong; the message says what, which file, and what to do."""


class NothingToDo(FreckleError):
    """The request was understood, but nothing can be changed; the message says why."""
