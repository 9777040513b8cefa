"""The Anthropic-compatible door: messages, their token count and batches, models. What differs is in README.md."""
