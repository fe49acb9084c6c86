"""Seeded faults: each makes one rule wrong in a way that a plausible slip would.

A fault is a context manager that patches the engine while it is open. The property tests must catch every one of them
within a bounded number of examples (test_mutations.py); one that survives shows a rule that nothing holds.
"""

from __future__ import annotations

from tests.equivalence.mutations import building, changes, names, queries, sources, words
from tests.equivalence.mutations.fault import Fault

__all__ = ("FAULTS", "Fault")

FAULTS = (
    *words.FAULTS,
    *names.FAULTS,
    *queries.FAULTS,
    *changes.FAULTS,
    *sources.FAULTS,
    *building.FAULTS,
)
