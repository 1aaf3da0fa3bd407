"""Run the migrations of any service on the connection, and in the transaction, of `Migrations.apply`."""

from alembic import context

context.configure(connection=context.config.attributes["connection"])
context.run_migrations()
