"""From the embedded engine to RisingWave: source tables are copied, the views there are compared with the views here."""
