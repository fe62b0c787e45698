# One instance of a serving engine, step by step: which sequences run next, what they hold of the cache, and who has to
# make room. It follows the scheduler of vLLM V1 (running first, then waiting, first come first served, preemption of
# the youngest by recomputation), which SGLang and TensorRT-LLM resemble in all that decides time.
"""`Instance`: queues, budget and cache of one engine."""

from __future__ import annotations

import random
from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from cutaway.predict.blocks import BlockPool

if TYPE_CHECKING:
    from cutaway.predict.arrivals import Request


@dataclass(frozen=True)
class ServerConfig:
    """How an engine is set up.

    max_num_seqs: sequences that run together. max_num_batched_tokens: tokens of one step. chunked_prefill: a prompt may
    be spread over steps. block_size, blocks: the paged cache, in tokens and in number. reserve_prompt: a request is
    admitted only if its whole prompt finds room. prefix_caching: what was computed once is not computed again.
    draft_tokens, acceptance: speculative decoding; how many tokens are guessed per step, and with which probability each
    is right if those before it are. What guesses cost is known to the step time (`Speculation.around`).
    """

    max_num_seqs: int = 256
    max_num_batched_tokens: int = 8192
    chunked_prefill: bool = True
    block_size: int = 16
    blocks: int = 100_000
    reserve_prompt: bool = True
    prefix_caching: bool = True
    draft_tokens: int = 0
    acceptance: float = 0.0


@dataclass(slots=True)
class Sequence:
    """A request on its way: tokens whose state is in the cache, tokens generated, and when."""

    index: int
    request: Request
    arrival: float
    computed: int = 0
    generated: int = 0
    held: int = 0  # blocks of its own
    shared: int = 0  # blocks that belong to its prefix
    sharing: bool = False
    preemptions: int = 0
    hit_tokens: int = 0
    scheduled: float = -1.0
    first: float = -1.0
    last: float = -1.0
    gaps: list[float] = field(default_factory=list)

    @property
    def known(self) -> int:
        """Tokens that are there to be computed."""
        return self.request.input_tokens + self.generated


class Batch(NamedTuple):
    """One step: prompt chunks as (sequence, tokens), decoding sequences, and the four sizes that time depends on."""

    chunks: list[tuple[Sequence, int]]
    decoding: list[Sequence]
    prefill_tokens: int
    prefill_context: float
    decode_batch: int
    decode_context: float


class Instance:
    """One engine. `prefill_only` hands a sequence on after its first token."""

    def __init__(self, config: ServerConfig, random_: random.Random, *, prefill_only: bool = False):
        self.config, self.prefill_only, self._random = config, prefill_only, random_
        self.pool = BlockPool(config.blocks, config.block_size)
        self.waiting: deque[Sequence] = deque()
        self.running: list[Sequence] = []
        self.busy = False

    @property
    def load(self) -> int:
        """Sequences here; a router prefers the instance with the fewest."""
        return len(self.waiting) + len(self.running)

    def next_batch(self, now: float) -> Batch | None:
        """The step to run now, None where there is nothing to do."""
        budget = self.config.max_num_batched_tokens
        chunks: list[tuple[Sequence, int]] = []
        decoding: list[Sequence] = []
        decode_tokens = 0
        preempted = False
        position = 0
        draft, size = self.config.draft_tokens, self.config.block_size
        while position < len(self.running) and budget > 0:
            sequence = self.running[position]
            new = sequence.request.input_tokens + sequence.generated - sequence.computed
            if new > budget:
                new = budget
            ahead = draft if new == 1 else 0
            need = sequence.computed + new + ahead
            # The first test is the fast way of what is true nearly always: its last block has room.
            while need > (sequence.held + sequence.shared) * size and not self._grow(sequence, need):
                preempted = True
                last = self.running.pop()
                self._preempt(last)
                if last is sequence:
                    break
            else:
                if new == 1 and sequence.generated:
                    decoding.append(sequence)
                    decode_tokens += sequence.computed
                    budget -= 1 + ahead
                else:
                    chunks.append((sequence, new))
                    budget -= new
                position += 1
        if not preempted:
            self._admit(now, budget, chunks)
        if not chunks and not decoding:
            return None
        return self._batch(chunks, decoding, decode_tokens)

    def finish(self, batch: Batch, now: float) -> tuple[list[Sequence], list[Sequence]]:
        """The step ended at `now`: (sequences that are done, sequences to be handed on)."""
        done: list[Sequence] = []
        handed: list[Sequence] = []
        for sequence, tokens in batch.chunks:
            sequence.computed += tokens
            if sequence.sharing:
                self._publish_prefix(sequence)
            if sequence.computed == sequence.known:
                self._emit(sequence, 1, now, done)
                if self.prefill_only and sequence.generated < sequence.request.output_tokens:
                    handed.append(sequence)
        for sequence in batch.decoding:
            tokens = 1 + self._accepted() if self.config.draft_tokens else 1
            tokens = min(tokens, sequence.request.output_tokens - sequence.generated)
            sequence.computed += tokens
            self._emit(sequence, tokens, now, done)
        for sequence in (*done, *handed):
            self._release(sequence)
        if done or handed:
            gone = {id(s) for s in (*done, *handed)}
            self.running = [s for s in self.running if id(s) not in gone]
        return done, handed

    def _admit(self, now: float, budget: int, chunks: list[tuple[Sequence, int]]) -> None:
        config = self.config
        while self.waiting and budget > 0 and len(self.running) < config.max_num_seqs:
            sequence = self.waiting[0]
            if sequence.computed:  # it comes with its state, from a prefill instance
                hits = 0
                if not self._grow(sequence, sequence.known):
                    return
            else:
                hits = self._hits(sequence)
            new = sequence.known - sequence.computed - hits
            if new > budget and not config.chunked_prefill and chunks:
                self._unhit(sequence)
                return
            new = min(new, budget) if config.chunked_prefill else new
            target = sequence.known if config.reserve_prompt else sequence.computed + hits + new
            if not self._fits(sequence, target) or not self._grow(sequence, sequence.computed + hits + new):
                self._unhit(sequence)
                return
            self.waiting.popleft()
            sequence.computed += hits
            sequence.hit_tokens += hits
            if sequence.scheduled < 0:
                sequence.scheduled = now
            self.running.append(sequence)
            chunks.append((sequence, new))
            budget -= new

    def _batch(self, chunks: list, decoding: list, decode_tokens: int) -> Batch:
        # A decoding sequence that arrived with its state is a chunk of one token: count it where its cost is.
        for sequence, tokens in [c for c in chunks if c[1] == 1 and c[0].generated]:
            chunks.remove((sequence, tokens))
            decoding.append(sequence)
            decode_tokens += sequence.computed
        tokens = sum(new for _, new in chunks)
        # Attention looks at pairs of tokens. The context given is that of one chunk of `tokens` with as many pairs;
        # several short prompts have fewer than one long one, so it can be below zero.
        pairs = sum(new * s.computed + new * new / 2 for s, new in chunks)
        context = pairs / tokens - tokens / 2 if tokens else 0.0
        mean = decode_tokens / len(decoding) if decoding else 0.0
        return Batch(chunks, decoding, tokens, context, len(decoding), mean)

    @staticmethod
    def _emit(sequence: Sequence, tokens: int, now: float, done: list[Sequence]) -> None:
        sequence.generated += tokens
        if sequence.first < 0:
            sequence.first = now
        else:
            sequence.gaps.append(now - sequence.last)
            if tokens > 1:
                sequence.gaps.extend([0.0] * (tokens - 1))  # tokens of one step arrive together
        sequence.last = now
        if sequence.generated >= sequence.request.output_tokens:
            done.append(sequence)

    def _accepted(self) -> int:
        count = 0
        while count < self.config.draft_tokens and self._random.random() < self.config.acceptance:
            count += 1
        return count

    def _grow(self, sequence: Sequence, tokens: int) -> bool:
        missing = self.pool.blocks(tokens) - sequence.held - sequence.shared
        if missing <= 0:
            return True
        if not self.pool.take(missing):
            return False
        sequence.held += missing
        return True

    def _fits(self, sequence: Sequence, tokens: int) -> bool:
        return self.pool.blocks(tokens) - sequence.held - sequence.shared <= self.pool.available

    def _hits(self, sequence: Sequence) -> int:
        """Tokens that need not be computed: a shared prefix, or its own before it was preempted."""
        if not self.config.prefix_caching:
            return 0
        size, request = self.config.block_size, sequence.request
        most = (sequence.known - 1) // size  # the last token is always computed: its logits are wanted
        if request.prefix:
            key = ("prefix", request.prefix)
            sequence.shared = self.pool.share(key, min(request.prefix_tokens // size, most))
            sequence.sharing = True
        sequence.held += self.pool.hit(sequence.index, max(0, most - sequence.shared))
        return (sequence.held + sequence.shared) * size

    def _unhit(self, sequence: Sequence) -> None:
        if not sequence.computed:
            self._let_go(sequence)

    def _publish_prefix(self, sequence: Sequence) -> None:
        ready = min(sequence.request.prefix_tokens, sequence.computed) // self.config.block_size
        if ready > sequence.shared:
            new = self.pool.extend(("prefix", sequence.request.prefix), ready)
            moved = ready - sequence.shared
            sequence.held -= moved
            self.pool.give(moved - new)  # computed twice at the same time: one copy stays
            sequence.shared = ready

    def _let_go(self, sequence: Sequence) -> None:
        """Give up its blocks; what was computed can be hit."""
        full = min(sequence.held, max(0, sequence.computed // self.config.block_size - sequence.shared))
        self._unshare(sequence)
        keep = full if self.config.prefix_caching else 0
        if not sequence.computed:  # hits of a request that could not be admitted
            keep = sequence.held
        self.pool.give(keep, keep=sequence.index)
        self.pool.give(sequence.held - keep)
        sequence.held = sequence.shared = 0

    def _preempt(self, sequence: Sequence) -> None:
        self._let_go(sequence)
        sequence.computed = 0
        sequence.preemptions += 1
        self.waiting.appendleft(sequence)

    def _release(self, sequence: Sequence) -> None:
        self._unshare(sequence)
        self.pool.give(sequence.held)
        sequence.held = sequence.shared = 0

    def _unshare(self, sequence: Sequence) -> None:
        if sequence.sharing:
            self.pool.unshare(("prefix", sequence.request.prefix))
            sequence.sharing = False
