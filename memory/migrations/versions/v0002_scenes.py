"""Observations know their scene, tone amounts and visit; messages are kept; memory can pause."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    op.add_column("observations", sa.Column("amount", sa.Float))
    op.add_column("observations", sa.Column("scene", sa.JSON))
    op.add_column("observations", sa.Column("visit", sa.String(32)))
    op.create_table("paused", sa.Column("user_name", sa.String(200), primary_key=True))
    op.create_table(
        "messages",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("user_name", sa.String(200), nullable=False),
        sa.Column("visit", sa.String(200), nullable=False),
        sa.Column("message", sa.JSON, nullable=False),
    )
    op.create_index("ix_messages_user_name_visit", "messages", ["user_name", "visit"])
