"""ID-003: bugs that the histories must find."""

from tests.proof.history import Case
from tests.proof.planted_ssp import hands, settle  # people do the same at both

CASES = [Case(profile="id003", hands=hands, settle=settle)]
NO_NOTE = "        self._note = 0\n"
TO_STACKER = "            self._ask(_STACK"
BEHIND_CREDIT = "        self._obeyed = self._is_old = False\n        self._stated = True\n"
PLANTED = [
    ("a repeated VEND VALID is counted again", NO_NOTE + BEHIND_CREDIT, BEHIND_CREDIT),
    ("a note in escrow is counted",
     TO_STACKER, "            self._vend_valid(body)\n" + TO_STACKER),
    ("every note is a five", "value = self._value(self._note)", "value = 500"),
    ("a note that never arrived is silent", "if self._note and self._obeyed:", "if False:"),
    ("no word on flash before a note is stacked", "if self._note != self._marked:", "if False:"),
    ("a note on its way is forgotten over a restart",
     "self._is_old = self._obeyed = self._note > 0", "self._note = 0"),
]  # fmt: skip
