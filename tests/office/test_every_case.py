"""What an office meets, line by line, and the tests that say it is right: who looks for a case
finds its tests here, and a test that is renamed or gone is missed.
"""

import ast
from functools import cache
from pathlib import Path

import pytest

TESTS = Path(__file__).parents[1]

DRAWER = "office/test_whose_drawer.py"
DAYS, MORE, FIELD = "day/test_days.py", "day/test_office_cases.py", "day/field_receipts.py"
VERSIONS = "incoming/test_posted_versions.py"

# {case: (file, test)}
WHOSE_DRAWER = {
    "a receipt of cashier 7 arrives after 8 signed on": (
        DRAWER,
        "test_a_receipt_that_arrives_after_the_next_cashier_signed_on_is_of_its_own_session",
    ),
    "the posting's cashier is not the one signed on": (FIELD, "two_cashiers"),
    "a session from 18:00 to 00:10": (
        DAYS,
        "test_a_session_over_midnight_is_proved_once_on_the_day_of_its_opening",
    ),
    "a receipt posted after the closing count": (
        DRAWER,
        "test_a_receipt_after_the_closing_count_is_apart_and_in_no_expected_sum",
    ),
    "it counts for the next count of that drawer": (
        DRAWER,
        "test_a_receipt_after_the_close_counts_for_the_next_count_of_that_drawer",
    ),
    "facts on record that sum to the difference": (
        MORE,
        "test_facts_on_record_that_sum_to_the_difference_are_tried",
    ),
    "imported after the close, posted before it": (
        "day/test_arrivals.py",
        "test_imported_after_the_close_but_posted_before_it_is_listed",
    ),
    "intervals of -10.00 and +10.00": (DRAWER, "test_ten_short_and_ten_over_are_not_balanced"),
    "a sale 5 seconds into a checkpoint": (
        DRAWER,
        "test_a_sale_during_a_checkpoint_is_counted_on_its_side_of_it",
    ),
    "a posting clock 3 minutes off": (
        DRAWER,
        "test_the_posting_systems_clock_three_minutes_ahead_is_told_and_taken_away",
    ),
    "float issued 200.00, counted 180.00": (
        DRAWER,
        "test_a_float_that_is_short_is_a_line_of_its_own",
    ),
    "today's opening differs from the float before": (
        DAYS,
        "test_the_float_that_the_last_session_had_is_compared_with_this_opening",
    ),
    "five recounts until it balances": (
        DRAWER,
        "test_recounts_until_it_balances_are_all_listed_and_too_many",
    ),
    "a second close by mistake": (
        DRAWER,
        "test_a_second_close_by_mistake_does_not_replace_the_first",
    ),
    "a closing count by hand": (DRAWER, "test_a_closing_count_by_hand_is_a_count"),
    "machine 250.00, keyed 245.00": (
        DRAWER,
        "test_what_the_machine_counted_and_what_was_keyed_differ",
    ),
    "an accumulating machine held 100.00 of yesterday": (
        "day/test_counting.py",
        "test_what_an_accumulating_machine_held_of_yesterday_is_not_this_sessions",
    ),
    "or was cleared between counts": (
        "day/test_counting.py",
        "test_a_machine_that_was_cleared_between_counts_is_told",
    ),
    "the same stack run twice": (
        "day/test_counting.py",
        "test_the_same_stack_run_twice_is_a_cause",
    ),
    "the machine rejected a suspect 20.00": (
        "day/test_counting.py",
        "test_a_note_that_the_machine_gave_back_is_a_cause",
    ),
}
WHAT_IS_POSTED = {
    "unknown at noon, posted in the evening": (FIELD, "unknown_then_posted"),
    "void in place by a later export": (FIELD, "posted_then_void"),
    "numbers run per window or start again each day": ("day/field_files.py", "daily_numbers"),
    "the message names the collision": (
        VERSIONS,
        "test_numbers_that_start_again_are_told_with_the_setting_that_cures_it",
    ),
    "a source spelt CIS and cis": (VERSIONS, "test_a_source_spelt_in_capitals_is_the_same_system"),
    "no file was imported": (
        "explain/test_causes.py",
        "test_nothing_is_a_cause_while_nothing_was_posted",
    ),
    "no file of one window was imported": (
        DAYS,
        "test_a_window_whose_file_did_not_come_is_told_so",
    ),
    "posted after the cut-off, in the drawer at the count": (
        DAYS,
        "test_money_held_over_the_weekend_is_in_this_drawer_and_in_mondays_deposit",
    ),
    "Friday 16:30 belongs to Monday": (
        "office/test_calendar.py",
        "test_a_receipt_after_the_cut_off_belongs_to_the_next_business_day",
    ),
    "voided twice": (FIELD, "double_void"),
    "void for more, as another tender, at another window, by nobody, after the close": (
        DRAWER,
        "test_a_void_that_does_not_fit_its_receipt_is_a_finding",
    ),
    "void of an unknown receipt": (
        DAYS,
        "test_a_void_of_what_nobody_ever_posted_changes_no_drawer",
    ),
    "void of a receipt of unknown status": (
        MORE,
        "test_a_receipt_of_unknown_status_that_is_voided_is_settled",
    ),
    "void at another window": (MORE, "test_a_check_is_handed_back_out_of_the_drawer_that_has_it"),
    "void by the cashier after the own close": (FIELD, "void_after_close"),
    "a gap in receipt numbers": (FIELD, "receipt_gap"),
    "refund without void_of, paid in, paid out, loan": (
        MORE,
        "test_refund_paid_in_paid_out_and_loan_move_the_cash_of_the_drawer",
    ),
    "cash back on a card": (
        MORE,
        "test_cash_back_on_a_card_leaves_the_drawer_and_the_card_stays_whole",
    ),
    "a credit applied beside what it pays": (FIELD, "negative_allocation"),
    "e-check, ACH, gift card": (
        MORE,
        "test_what_lies_in_no_drawer_is_posted_only_and_blocks_nothing",
    ),
    "a receipt is posted whole or not at all": (
        "incoming/test_unsettled.py",
        "test_a_receipt_is_refused_whole_and_settled_whole",
    ),
    "services beyond the utilities": ("day/field_files.py", "refused_service"),
    "an empty fund is suspense": (
        "day/test_suspense.py",
        "test_a_receipt_without_a_fund_is_in_suspense_and_listed_with_its_age",
    ),
    "own columns, decimals, negative voids, totals line, ;, cp1252, 12/31/2026": (
        "incoming/test_column_map_files.py",
        "test_own_columns_commas_negative_voids_total_line_semicolons_cp1252_and_12_31_2026",
    ),
    "a window without a drawer": (
        "day/test_without_drawer.py",
        "test_it_is_posted_by_tender_and_fund_and_nothing_of_it_is_counted",
    ),
}
TENDERS = {
    "one money order hides no other tender": (
        DAYS,
        "test_one_missing_declaration_hides_no_other_tender",
    ),
    "every tender can be declared": (DRAWER, "test_every_tender_can_be_declared_on_the_pad"),
    "the check tape is run again": (
        DRAWER,
        "test_a_tape_that_is_run_again_does_not_double_the_checks",
    ),
    "a recount for tapes": (DRAWER, "test_a_recount_of_the_tape_replaces_it"),
    "a tape without total names no receipt": (
        "explain/test_causes.py",
        "test_no_receipt_is_named_while_the_tape_is_unfinished",
    ),
    "lines after the total": (
        DRAWER,
        "test_lines_after_the_total_of_a_tape_are_told_and_in_no_sum",
    ),
    "a returned check of an earlier day": (FIELD, "returned_check"),
    "the card total keyed twice for two batches": (
        DRAWER,
        "test_two_card_batches_add_and_one_keyed_twice_counts_once",
    ),
    "cards apart from the deposit": (DAYS, "test_cards_are_not_in_the_deposit_of_the_bank"),
}
OTHER_SYSTEMS = {
    "expected cash net of change": (
        "office/test_reconcile.py",
        "test_expected_cash_is_net_of_change",
    ),
    "change booked under the card": (
        MORE,
        "test_cash_back_on_a_card_leaves_the_drawer_and_the_card_stays_whole",
    ),
    "a difference is set to zero later": (
        MORE,
        "test_the_difference_stays_whatever_is_imported_again",
    ),
    "the opening is the counted one": (
        "office/test_reconcile.py",
        "test_the_counted_opening_is_used_and_its_difference_shown",
    ),
    "late postings vanish": (
        "day/test_arrivals.py",
        "test_imported_after_the_close_but_posted_before_it_is_listed",
    ),
    "a card payment that the cashiering system lost": (
        "office/test_settlement.py",
        "test_a_card_payment_that_the_terminal_took_and_the_cashiering_system_lost",
    ),
    "a positive drift is fine": (MORE, "test_one_cent_over_is_as_open_as_one_cent_short"),
    "proof missing is not short": (MORE, "test_a_lost_slip_is_no_lost_money"),
    "two drawers are netted": (MORE, "test_two_errors_of_two_drawers_are_not_balanced"),
}
CASES = [
    pytest.param(file, test, id=case)
    for cases in (WHOSE_DRAWER, WHAT_IS_POSTED, TENDERS, OTHER_SYSTEMS)
    for case, (file, test) in cases.items()
]


@pytest.mark.parametrize(("file", "test"), CASES)
def test_a_case_has_its_test(file, test):
    assert test in _functions(TESTS / file)


@cache
def _functions(path):
    tree = ast.parse(path.read_text())
    return {each.name for each in tree.body if isinstance(each, ast.FunctionDef)}
