"""What commands begin with: the settings, and what is loaded by them, when it is needed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vision.errors import FreckleError

if TYPE_CHECKING:
    from agent import RetouchAgent
    from memory.preferences import Preferences
    from vision.settings import Settings


def load_settings() -> Settings:
    """The settings; a wrong one is an error of the call."""
    from pydantic import ValidationError

    from ui.messages import explain
    from vision.settings import Settings

    try:
        return Settings()
    except ValidationError as error:
        raise FreckleError(f"a setting is wrong: {explain(error)}") from None


def load_agent() -> RetouchAgent:
    from agent import RetouchAgent

    return RetouchAgent.load(settings=load_settings())


def load_memory() -> Preferences:
    from memory.preferences import Preferences

    return Preferences.load(load_settings())
