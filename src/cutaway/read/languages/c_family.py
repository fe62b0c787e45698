# C, C++ and CUDA: one set of handlers, three grammars, because their nodes have the same names and CUDA's grammar holds C++'s.
# The handlers stand in `c_definitions.py` and `c_statements.py`, what calls and bindings mean in `c_calls.py`; what only
# the text shows (kernels in macros, launches where the grammar failed) in `patterns.py`.
"""`read_c`, `read_cpp`, `read_cuda`: (path, text) -> FileRecord."""

from __future__ import annotations

import re

import tree_sitter_c
import tree_sitter_cpp
import tree_sitter_cuda

from cutaway.model.code import FileRecord
from cutaway.read.languages import c_definitions as define
from cutaway.read.languages import c_statements as do
from cutaway.read.languages.c_calls import call, option_letter, option_string
from cutaway.read.languages.c_conditions import first_branches
from cutaway.read.languages.c_macros import without_macros
from cutaway.read.languages.grammar import Grammar, kinds
from cutaway.read.languages.patterns import add_patterns
from cutaway.read.languages.treesitter import read_tree

__all__ = ["read_c", "read_cpp", "read_cuda"]


def read_c(path: str, text: str) -> FileRecord:
    return read_tree(C, path, text)


def read_cpp(path: str, text: str) -> FileRecord:
    return read_tree(CPP, path, text)


def read_cuda(path: str, text: str) -> FileRecord:
    return read_tree(CUDA, path, text)


_HANDLERS = {
    "namespace_definition": define.namespace,
    **kinds(define.type_, "class_specifier struct_specifier union_specifier enum_specifier"),
    "access_specifier": define.access,
    "enumerator": define.enumerator,
    "function_definition": define.function,
    "template_declaration": define.template,
    "linkage_specification": define.template,
    **kinds(do.declaration, "declaration field_declaration"),
    "assignment_expression": do.assignment,
    "field_initializer": do.field_initializer,
    "for_range_loop": do.range_loop,
    **kinds(do.while_, "while_statement do_statement"),
    "for_statement": do.for_,
    "return_statement": do.return_,
    "throw_statement": do.throw,
    "catch_clause": do.catch,
    **kinds(define.typedef, "type_definition alias_declaration"),
    "preproc_include": do.include,
    "using_declaration": do.using,
    **kinds(define.macro, "preproc_def preproc_function_def"),
    "call_expression": call,
    "new_expression": do.new,
    "string_literal": option_string,
    "char_literal": option_letter,
}  # fmt: skip

_TYPED = (
    # A guard names the mutex that it takes; the lock is where that is declared.
    ("lock", re.compile(r"(?<!guard<)(?<!lock<)\b((?:std::|absl::|folly::)?(?:recursive_|shared_|timed_|shared_timed_)?mutex|"
                        r"pthread_mutex_t|std::condition_variable(?:_any)?|absl::Mutex|std::(?:counting_|binary_)?semaphore)\b(?!\s*>)")),
    ("queue", re.compile(r"\b((?:std::|moodycamel::|folly::)\w*(?:queue|deque|Queue)|\w+Queue)\b(?=\s*<|$)")),
)  # fmt: skip


def _grammar(language: str, load) -> Grammar:
    return Grammar(
        language, load, _HANDLERS,
        words="identifier field_identifier type_identifier namespace_identifier",
        skipped="parameter_list template_parameter_list preproc_arg number_literal primitive_type type_qualifier char_literal "
        "storage_class_specifier system_lib_string",
        typed=_TYPED,
        finish=add_patterns,
        prepare=without_macros,
        repair=first_branches,
    )  # fmt: skip


C = _grammar("c", tree_sitter_c.language)
CPP = _grammar("cpp", tree_sitter_cpp.language)
CUDA = _grammar("cuda", tree_sitter_cuda.language)
