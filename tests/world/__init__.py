"""The deterministic simulation: the files that ship, in virtual time, against everything that can
go wrong.

`core` is a device as the firmware wires it, for both interpreters; `world` plays one history from a
seed, over the lines and the broker of `wires`; `faults` is what can happen, `mending` what a person
does at the end; `planted` are bugs that must be found. `./run proof world` runs them. It imports
everything, so it lives with the tests.
"""
