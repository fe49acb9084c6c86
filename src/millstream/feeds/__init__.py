"""Reading what the views serve, as an application would: with the reader role, over the Postgres wire protocol."""
