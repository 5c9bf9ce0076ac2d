"""Recurrent binary codes, trained (BEBR; Gan et al. 2023)."""
