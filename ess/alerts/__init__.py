"""Telling people: what is said, whom to tell, and the sending, which is apprise's work."""
