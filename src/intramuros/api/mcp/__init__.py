"""The MCP server at `/mcp`: documents to search, read and ask, for programs with a model. What differs: README.md."""
