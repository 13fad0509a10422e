"""A synthetic day of the cash office with its truth: pure, seeded, no wall clock.
`day.generate(seed)` is the way in.

mix        how much of everything         customers  who comes when, owes what, pays how
tariff     what a bill costs, by service  cash       the notes and coins in a drawer
counting   marks, counts, check tapes     shift      one cashier, one drawer session
receipts   what is posted of it           window     the sessions of one window, and what is posted
posted     the export's rows                         there without a drawer
truth      what really happened, to check a result
May import nothing of ours: error rates and amounts live here, the gateway's priors in the gateway.
"""
