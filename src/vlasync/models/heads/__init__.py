"""Policy heads: from action embeddings to action chunks."""
