"""What one engine keeps and the other does not, refused on both, so that a model runs on both."""
