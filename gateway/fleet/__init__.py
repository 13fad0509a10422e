"""From boards.toml to a counter controller that runs: declare, stage, flash.

boards   boards.toml -> Board: inheritance, revisions, every error at once with its place
check    what a board may not say: a pin twice, a pin that is not there, an output on an input
stage    Board -> the tree of files that its flash holds, byte for byte the same each time
ports    which serial port is which board; a port that nobody recognises is never opened
flash    staged tree -> board, by mpremote, verified by hashes, until its first sealed record

Reads the files of firmware/ and protocol/, never imports firmware.
May import: instruments, devices and the ground files.
"""
