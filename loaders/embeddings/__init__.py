"""Item vectors from purchase baskets: trained, measured, and put into service."""
