"""The pages for people: one module and one template for each, rendered here, small scripts, no build step."""
