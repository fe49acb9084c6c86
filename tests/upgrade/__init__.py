"""Databases that earlier versions left: they go on under this one, with everything that was in them."""
