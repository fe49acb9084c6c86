"""Deploying: compare a definition with what runs, build what is new beside it, and swap.

The functions here are the interface; each lives in the room of what it deploys.
"""

from millstream.engine.catalog.store import list_relations
from millstream.engine.deploy.connection import connect
from millstream.engine.deploy.dropping import drop, drop_all
from millstream.engine.deploy.garbage import drop_unused
from millstream.engine.deploy.outcome import Deployed
from millstream.engine.deploy.project import deploy_settings, names_of_nothing
from millstream.engine.deploy.python_functions import deploy_function
from millstream.engine.deploy.sinks import deploy_sink
from millstream.engine.deploy.sql_functions import deploy_sql_function
from millstream.engine.deploy.tables import deploy_table
from millstream.engine.deploy.views import deploy_again, deploy_view, deploying_view

__all__ = [
    "Deployed",
    "connect",
    "deploy_again",
    "deploy_function",
    "deploy_settings",
    "deploy_sink",
    "deploy_sql_function",
    "deploy_table",
    "deploy_view",
    "deploying_view",
    "drop",
    "drop_all",
    "drop_unused",
    "list_relations",
    "names_of_nothing",
]
