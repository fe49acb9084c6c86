"""Print the page."""

from __future__ import annotations

import sys

from support.page import page

sys.stdout.write(page())
