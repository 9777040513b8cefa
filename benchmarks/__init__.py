"""Measurements behind the README's numbers: `make bench`. Ratios within one run, medians of several runs."""
