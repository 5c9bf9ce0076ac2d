"""Indexes of binary codes and of embeddings."""
