"""How compatible the doors are: the official clients' own test suites against a real server. `make compat`."""
