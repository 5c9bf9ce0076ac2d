"""What only the torch backend promises."""
