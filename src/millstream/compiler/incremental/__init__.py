"""The change rules: what to store, and which plan computes what changed, given what changed below."""
