"""Coverage-guided fuzzing: one module per parser, each with `check` and `seeds`; `make fuzz` runs them.

`check(data)` gives any octets to the parser, and raises only when something is wrong: an exception that
nobody is told to expect, or a value that does not survive its own encoding. The replay in the unit tier needs
no fuzzer.
"""
