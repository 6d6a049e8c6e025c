"""Rules: from the outcomes of a claim's tests to the one verdict on its sentence.

A rule is a function of {what a test is about: "holds", "fails" or "undecided"}; a claim's file may have its own. It
sees no number, so it cannot be bent to what came out.
"""

from collections.abc import Callable, Mapping
from typing import Literal, TypeAlias

Outcome: TypeAlias = Literal["holds", "in part", "fails", "undecided"]
Answers: TypeAlias = Mapping[str, str]  # what a test is about -> its outcome
Rule: TypeAlias = Callable[[Answers], Outcome]


def all_hold(answers: Answers) -> Outcome:
    """One sentence that all tests are parts of: holds where all do, fails where one does.

    >>> all_hold({"a": "holds", "b": "undecided"})
    'undecided'
    """
    if "fails" in answers.values():
        return "fails"
    return "undecided" if "undecided" in answers.values() else "holds"


def any_holds(answers: Answers) -> Outcome:
    """A sentence that says "there is": holds where one test does, fails where all do."""
    outcomes = set(answers.values())
    if "holds" in outcomes:
        return "holds"
    return "fails" if outcomes == {"fails"} else "undecided"


def holds_for(answers: Answers) -> Outcome:
    """A sentence that may be so for some things and not for others: the verdict says for which.

    "in part" where it holds for some and not for all; where it holds for none, it fails if one test does.
    """
    outcomes = set(answers.values())
    if outcomes == {"holds"}:
        return "holds"
    if "holds" in outcomes:
        return "in part"
    return "fails" if "fails" in outcomes else "undecided"


def controlled(rule: Rule, *controls: str) -> Rule:
    """The rule on all other tests, where these controls hold; else nothing is decided, whatever they say.

    Args:
      rule: of the tests that the sentence is about.
      controls: what other tests are about: something that must come out, or the design shows nothing.
    """

    def checked(answers: Answers) -> Outcome:
        if any(answers[about] != "holds" for about in controls):
            return "undecided"
        return rule({about: answer for about, answer in answers.items() if about not in controls})

    checked.controls = controls  # pyright: ignore[reportFunctionMemberAccess] # a claim looks whether it has these tests
    return checked
