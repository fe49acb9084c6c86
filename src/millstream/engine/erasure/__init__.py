"""Forgetting people: what of them is found where, and how it is removed from relations and files."""
