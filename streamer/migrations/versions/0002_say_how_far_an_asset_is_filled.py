"""Say of an asset whether all of it is made, and of a segment when it was last asked for."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Go forward."""
    op.add_column("asset", sa.Column("fill", sa.String(16), nullable=False, server_default="full"))
    op.add_column("segment", sa.Column("watched", sa.BigInteger(), nullable=False, server_default="0"))
