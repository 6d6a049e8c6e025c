"""Tasks: what a model is asked, in batches, with exact floors and an oracle.

`TASKS` maps a name to a default instance; `dataclasses.replace(TASKS["parity"], labels="running").make()` is a task.
A task of your own is one file after the pattern of duplicate.py or counting.py; a row here gives it a name for the
command.
"""

from attn_jax.names import Registry
from attn_jax.tasks.base import Floor, Split, Task, TaskConfig, TaskSpec
from attn_jax.tasks.data.digits import Digits
from attn_jax.tasks.data.text import Text
from attn_jax.tasks.languages.binary_addition import BinaryAddition
from attn_jax.tasks.languages.binary_multiplication import BinaryMultiplication
from attn_jax.tasks.languages.copy_string import Copy
from attn_jax.tasks.languages.cycle_navigation import CycleNavigation
from attn_jax.tasks.languages.duplicate import Duplicate
from attn_jax.tasks.languages.even_pairs import EvenPairs
from attn_jax.tasks.languages.missing_duplicate import MissingDuplicate
from attn_jax.tasks.languages.modular_arithmetic import ModularArithmetic
from attn_jax.tasks.languages.modular_arithmetic_brackets import ModularArithmeticBrackets
from attn_jax.tasks.languages.odds_first import OddsFirst
from attn_jax.tasks.languages.parity import Parity
from attn_jax.tasks.languages.solve_equation import SolveEquation
from attn_jax.tasks.languages.sort import Sort
from attn_jax.tasks.languages.square_root import SquareRoot
from attn_jax.tasks.languages.stack_manipulation import StackManipulation
from attn_jax.tasks.numbers.adding import Adding
from attn_jax.tasks.numbers.counting import Counting
from attn_jax.tasks.numbers.digit_addition import DigitAddition
from attn_jax.tasks.numbers.dyck import Dyck
from attn_jax.tasks.numbers.majority import Majority
from attn_jax.tasks.numbers.markov import MarkovChain
from attn_jax.tasks.numbers.modular_table import ModularTable
from attn_jax.tasks.numbers.multiset import Multiset
from attn_jax.tasks.recall.associative_recall import AssociativeRecall
from attn_jax.tasks.recall.copy_memory import CopyMemory
from attn_jax.tasks.recall.h3_recall import H3Recall
from attn_jax.tasks.recall.induction_heads import InductionHeads
from attn_jax.tasks.recall.lookup import Lookup
from attn_jax.tasks.recall.mad_fuzzy_recall import MADFuzzyRecall
from attn_jax.tasks.recall.mad_memorisation import MADMemorisation
from attn_jax.tasks.recall.mad_recall import MADRecall
from attn_jax.tasks.recall.mad_selective_copy import MADSelectiveCopy
from attn_jax.tasks.recall.mqar import MQAR
from attn_jax.tasks.recall.offsets import Offsets
from attn_jax.tasks.recall.selective_copy import SelectiveCopy
from attn_jax.tasks.recall.string_copy import StringCopy
from attn_jax.tasks.state_tracking.group_word import GroupWord
from attn_jax.tasks.state_tracking.modular_sum import ModularSum

TASKS: dict[str, TaskConfig] = Registry(
    {
        # regular, context-free and context-sensitive languages: Deletang et al. 2023
        "even_pairs": EvenPairs(),
        "modular_arithmetic": ModularArithmetic(),
        "parity": Parity(),
        "parity_running": Parity(labels="running"),
        "cycle_navigation": CycleNavigation(),
        "stack_manipulation": StackManipulation(),
        "reverse": Copy(order="reversed"),
        "modular_arithmetic_brackets": ModularArithmeticBrackets(),
        "solve_equation": SolveEquation(),
        "duplicate": Duplicate(),
        "missing_duplicate": MissingDuplicate(),
        "odds_first": OddsFirst(),
        "binary_addition": BinaryAddition(),
        "binary_multiplication": BinaryMultiplication(),
        "square_root": SquareRoot(),
        "bucket_sort": Sort(),
        # state tracking
        "group_z60": GroupWord("z60"),
        "group_a4xz5": GroupWord("a4xz5"),
        "group_a5": GroupWord("a5"),
        "group_s3": GroupWord("s3"),
        "group_s5": GroupWord("s5"),
        "modular_sum": ModularSum(),
        "modular_sum_steps": ModularSum(labels="steps"),
        "modular_sum_written": ModularSum(labels="written"),
        # recall and copying
        "mqar": MQAR(),
        "induction_heads": InductionHeads(),
        "associative_recall": AssociativeRecall(),
        "h3_recall": H3Recall(),
        "selective_copy": SelectiveCopy(),
        "string_copy": StringCopy(),
        "prefix_lookup": Lookup(side="prefix"),
        "suffix_lookup": Lookup(side="suffix"),
        "copy_memory": CopyMemory(),
        "offsets": Offsets(),
        "mad_recall": MADRecall(),
        "mad_noisy_recall": MADRecall.noisy(),
        "mad_fuzzy_recall": MADFuzzyRecall(),
        "mad_selective_copy": MADSelectiveCopy(),
        "mad_memorisation": MADMemorisation(),
        # numbers, order, language
        "copy": Copy(),
        "sort": Sort(alphabet=20),
        "digit_addition": DigitAddition(),
        "adding": Adding(),
        "dyck": Dyck(),
        "markov": MarkovChain(),
        "modular_table": ModularTable(),
        "counting": Counting(),
        "majority": Majority(),
        "multiset": Multiset(),
        # real data
        "digits": Digits(),
        "digits_permuted": Digits(order="permuted"),
        "digits_rows": Digits(order="rows"),
        "text": Text(),
    }
)

__all__ = [
    "MQAR",
    "TASKS",
    "Adding",
    "AssociativeRecall",
    "BinaryAddition",
    "BinaryMultiplication",
    "Copy",
    "CopyMemory",
    "Counting",
    "CycleNavigation",
    "DigitAddition",
    "Digits",
    "Duplicate",
    "Dyck",
    "EvenPairs",
    "Floor",
    "GroupWord",
    "H3Recall",
    "InductionHeads",
    "Lookup",
    "MADFuzzyRecall",
    "MADMemorisation",
    "MADRecall",
    "MADSelectiveCopy",
    "Majority",
    "MarkovChain",
    "MissingDuplicate",
    "ModularArithmetic",
    "ModularArithmeticBrackets",
    "ModularSum",
    "ModularTable",
    "Multiset",
    "OddsFirst",
    "Offsets",
    "Parity",
    "SelectiveCopy",
    "SolveEquation",
    "Sort",
    "Split",
    "SquareRoot",
    "StackManipulation",
    "StringCopy",
    "Task",
    "TaskConfig",
    "TaskSpec",
    "Text",
]
