"""Alembic's entry point: `memory.store` hands over the open connection it wants migrated."""

from alembic import context

context.configure(connection=context.config.attributes["connection"], render_as_batch=True)
context.run_migrations()
