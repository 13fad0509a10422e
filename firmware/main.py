"""What the board runs at power-up."""

import board

from firmware.app import main

main(board)
