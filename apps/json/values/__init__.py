"""What a leaf's value is made of: tokens, numbers, strings, and what was learned about them."""
