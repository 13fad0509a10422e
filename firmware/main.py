"""What the board runs at power-up."""

import gc

# collect after so many bytes: the heap in use stays near what is alive, from the first import on
gc.threshold(2048)

import board  # noqa: E402

from firmware.app import main  # noqa: E402

main(board)
