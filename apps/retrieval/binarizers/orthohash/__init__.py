"""Supervised binary codes: classes have fixed, nearly orthogonal codes, and vectors learn to be near their class's."""
