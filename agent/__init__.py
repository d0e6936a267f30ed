"""One turn and one conversation: `RetouchAgent` opens a photo, its `Session` takes messages."""

from agent.agent import RetouchAgent
from agent.outcome import Reply
from agent.session import Session

__all__ = ["Reply", "RetouchAgent", "Session"]
