"""Supervised binary codes: classes have fixed, nearly orthogonal codes, and vectors learn codes near their class's."""
