"""What Alembic runs to get at the database: it uses the connection `upgrade` hands over, in its transaction."""

from __future__ import annotations

from alembic import context

from intramuros.storage.schema import metadata

context.configure(connection=context.config.attributes["connection"], target_metadata=metadata)
context.run_migrations()
