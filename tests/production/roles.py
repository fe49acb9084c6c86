"""The script deploy/risingwave/roles.py as a module."""

from __future__ import annotations

import importlib.util

from tests.production.files import DEPLOY

_spec = importlib.util.spec_from_file_location("deploy_roles", DEPLOY / "risingwave" / "roles.py")
assert _spec is not None and _spec.loader is not None
roles = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(roles)
