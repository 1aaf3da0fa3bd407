"""Run migrations on the connection that the caller hands over, in the caller's transaction."""

from alembic import context

from millrace_reviews.schema import metadata

context.configure(connection=context.config.attributes["connection"], target_metadata=metadata)
context.run_migrations()
