"""One turn and one conversation: `RetouchAgent` opens a photo, its `Session` takes messages."""

from agent.session import Reply, RetouchAgent, Session

__all__ = ["Reply", "RetouchAgent", "Session"]
