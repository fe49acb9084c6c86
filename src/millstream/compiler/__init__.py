"""From the text of a model to what PostgreSQL runs for it. Pure: nothing below this folder talks to a database."""
