"""ID-003: bugs that the histories must find."""

from tests.proof.history import Case
from tests.proof.planted_ssp import hands, settle  # people do the same at both

CASES = [Case(profile="id003", hands=hands, settle=settle)]
TO_STACKER = "            self._ask(_STACK"
PLANTED = [
    ("a repeated VEND VALID is counted again",
     "            self._go(CREDIT)\n            value = value_at",
     "            value = value_at"),
    ("a note in escrow is counted", TO_STACKER,
     "            self._vend_valid(body)\n" + TO_STACKER),
    ("every note is a five", "value = value_at(self._values, self._note)", "value = 500"),
    ("a note that never arrived is silent", "begun = self._life in (STACKING, RESUMED)",
     "begun = False"),
    ("no word on flash before a note is stacked",
     "if self._on_way() != self._marked:", "if False:"),
    ("a note on its way is forgotten over a restart",
     "not (self._note and self._go(RESUME))", "not self._note"),
]  # fmt: skip
