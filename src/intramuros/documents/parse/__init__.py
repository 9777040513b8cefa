"""One module per format; each has `read(content, limits) -> Reading` and runs inside the confined reader process."""
