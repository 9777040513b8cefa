"""Pages for formats that have none of their own: blocks laid out on sheets, with the place of every line."""
