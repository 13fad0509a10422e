"""A synthetic day of the cash office with its truth: pure, seeded, no wall clock.
`day.generate(seed)` is the way in.

tariff     what a bill costs, by service        customers  who comes when, owes what, pays how
cash       the notes and coins in a drawer      shift      one cashier at one window
posted     what the cashiering system posted    truth      what really happened, to check a result
May import nothing of ours: error rates and amounts live here, the gateway's priors in the gateway.
"""
