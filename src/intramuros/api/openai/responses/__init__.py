"""Responses: OpenAI's second way to talk with a model, with conversations that are kept and documents to search."""
