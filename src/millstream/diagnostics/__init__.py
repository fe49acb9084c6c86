"""Refusals: every code with its construct, reason and rewrite, by area, and how a refusal is made of them."""

from millstream.diagnostics.catalogue import CATALOGUE
from millstream.diagnostics.refusal import Place, place, refuse

__all__ = ["CATALOGUE", "Place", "place", "refuse"]
