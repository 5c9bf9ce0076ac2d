"""What a document is taken apart into: paths, leaves and the rules for both."""
