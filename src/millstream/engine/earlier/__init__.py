"""Databases of earlier releases, brought to what this one makes."""
