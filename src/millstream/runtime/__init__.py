"""Deploying models and keeping them: everything that talks to the database."""
