"""The relational algebra that models are compiled to: frozen dataclasses and pure rewrites on them."""
