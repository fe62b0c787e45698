# What an aten op costs: one table of rules, each a short function from shapes to a formula, so that a person
# can look up why a line costs what it costs. Imports no torch: an op is only a name, arguments and tensor
# specs here.
"""The rules that price aten ops: `lookup` one, list `all_rules`, `price` an op, add your own with `rule`."""

from cutaway.rules.api import KINDS, Count, Op, Rule, rule
from cutaway.rules.pricing import Price, price, price_in_full
from cutaway.rules.registry import all_rules, lookup

__all__ = ["KINDS", "Count", "Op", "Price", "Rule", "all_rules", "lookup", "price", "price_in_full", "rule"]
