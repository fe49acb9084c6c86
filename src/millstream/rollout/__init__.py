"""`millstream deploy`: what would change, the change itself, and the way back, on either engine."""
