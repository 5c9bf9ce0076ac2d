"""Take documents apart into paths and leaves, by rules for both."""
