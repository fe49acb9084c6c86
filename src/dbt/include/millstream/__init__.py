"""Macros of the dbt adapter `type: millstream`."""

from __future__ import annotations

import os

PACKAGE_PATH = os.path.dirname(__file__)
