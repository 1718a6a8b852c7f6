"""What follows an event, after the stop and never during it."""
