"""The doors for programs: routes that parse, call one task and format its result. They decide nothing."""
