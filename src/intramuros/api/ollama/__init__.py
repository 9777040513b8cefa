"""The Ollama door: `/api/chat`, `/api/generate`, `/api/tags` and their kin. What differs is in README.md."""
