"""What the board runs at power-up."""

import gc

gc.threshold(
    2048
)  # collect after so many bytes, from the first import on: so little garbage stays on the heap

import board  # noqa: E402

from firmware.app import main  # noqa: E402

main(board)
