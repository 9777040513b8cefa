"""The tables, a file for each subject; others import them from `storage.schema`."""
