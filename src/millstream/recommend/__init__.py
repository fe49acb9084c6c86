"""The documented statement that answers for one person, for every driver."""
