"""What deserves a word in the reply: facts, which `agent.reply` puts into sentences."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from vision.vocabulary import Region

Topic = Literal[
    # from resolving
    "not_found", "not_learnt", "cannot_guard", "none_to_keep", "kept_already", "no_such_face",
    "lifted", "stays", "nothing_done", "at_limit", "not_kept", "too_narrow", "usual", "all_clear",
    "whole", "tone_kept", "tone_lifted", "others_alike",
    # from marking
    "off_face", "partly_off", "kept_off_face", "kept_partly",
    # from acting
    "no_face", "undone", "redone", "no_step", "reset", "untouched", "glad", "learnt", "rule",
    "rule_of_one",
    "nothing_to_learn", "no_user", "paused", "resumed", "forgotten",
    "nothing_to_forget", "view", "shown", "none_to_show", "saved",
    "not_saved", "unwritten", "no_output", "unsupported", "foreign", "explain", "help",
    "chat",
]  # fmt: skip


@dataclass(frozen=True)
class Note:
    """One fact about one kind (or face, file, user's phrase) at one place.

    `strength` belongs to a reduce that is remembered or recalled, `reason` to what memory brought.
    """

    topic: Topic
    what: str = ""
    where: tuple[Region, ...] = ()
    reason: str | None = None
    strength: float | None = None
