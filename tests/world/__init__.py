"""The deterministic simulation: the files that we ship, in virtual time, against everything that
can go wrong.

`core` is a device as the firmware wires it, for both interpreters; `world` plays one history from a
seed; `faults` is what can happen; `planted` has bugs that must be found. `./run proof world` runs
them. It imports everything, so it lives with the tests.
"""
