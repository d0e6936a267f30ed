"""One turn and one conversation: `RetouchAgent` opens a photo, its `Session` takes messages."""

from agent.agent import RetouchAgent
from agent.session import Reply, Session

__all__ = ["Reply", "RetouchAgent", "Session"]
