"""Rolling a project out to RisingWave."""
