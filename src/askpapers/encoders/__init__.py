"""Networks over the embedded MiniLM weights: embedder, reader and judge."""
