"""What is asked of each kind of index: documents, embeddings, codes."""
