# How candidates for a concept are judged, the same way for every concept: points for each kind of evidence, less for what is
# a test's double, a special case or another generation's twin, and nothing at all for a name without the mechanism.
"""`rank(corpus, concepts)`: the candidates of each concept, best first."""

from __future__ import annotations

import math
import re

from cutaway.facts.concept import CALLABLE, TYPE, Concept
from cutaway.facts.corpus import HELPS, Corpus, Entity, Scored
from cutaway.facts.kinship import Kinship
from cutaway.facts.reasons import body, found_in
from cutaway.facts.words import matcher, snake

__all__ = ["KEPT", "Scored", "rank"]

FINALISTS, KEPT = 180, 12
ROUGHLY = 0.3  # of the points that a claim needs: text may still speak for it
SHOWS, DOUBTED = 4, 0.5  # what code shows by a clue of so many points, a name's warning takes back by this share only
LOOP = "runtime_loop"  # what the call graph is followed from
MODEL = "model_definition"  # whose parts several architectures share
LEAD = 0.55  # of the best score, enough for what leads its concept (`Concept.leads`)
OTHERS_FACTOR = 0.75  # a library of others that this program carries along
PLAIN = 1.3  # times the points that a claim needs, for one that only an example makes
ROLE_FACTOR = {"code": 1.0, "tool": 0.8, "example": 0.45, "benchmark": 0.4}
# What serves one device, one auxiliary model or one rare mode is seldom "the" component; what only watches, wraps or
# stands in for it never is. A factor for each word, in the own name or the class's, and in the path.
_SPECIAL = matcher(
    r"ring|ulysses|avx|avx_2|avx_512|neon|sse|simd|sve|amx|wasm|turbo\w*|hybrid|tpu|xpu|watermark\w*|trtllm|tensorrt\w*|llamacpp|openvino|onnx|move|p_2_p|dequant\w*|hpu|npu|neuron|gaudi|"
    "xla|rocm|hip|ascend|cpu|metal|vulkan|sycl|opencl|cann|musa|webgpu|encoder|enc|cross|pooling|"
    "pooler|draft|drafter"
    r"|(?:mobile|res|squeeze|efficient|dense|u)_?net[a-z]*|yolo[a-z]*|vgg|vae|vit|segformer|conv_?next"
    "|spec|speculative|speculator|eagle|medusa|ngram|mtp|dflash|mamba|ssm|rwkv|gdn|fusion|"
    "fused|passes|compilation|pattern|linear_attn|lora|loras|adapter|adapters|vision|image|"
    r"images|audio|video|whisper[a-z]*|tts|asr|stt|dit|diffusion|stable_?diffusion|sd_?cpp|vocoder|voice|music"
    "|multimodal|mm|vl|connector|connectors|offload|offloading|disagg|disaggregation|pd|"
    "mooncake|nixl|lmcache|indexer|sparse|mla|elastic|ubatch|dbo|sink|batch_invariant"
    "|embedding|embeddings|rerank|reranker|classify|score|reward|beam|guided|grammar|"
    "structured|distill|finetune|bert|clip|speech|speech_models|gpt_2|t_5|bloom|opt|falcon"
)
_STUB = re.compile(
    r"raise (?:NotImplementedError|Exception)|^\s*(?:pass|\.\.\.)\s*$|unimplemented!|todo!", re.MULTILINE
)
_DOES = re.compile(r"\w\)? (?:[*/%]{1,2}|-) \(?\w|self\.\w+\.(?:clear|set)\(\)")  # computes, or changes its own state
_PRODUCT = re.compile(r"(?:^|/)(?:examples?|tools?|demos?)/(?:server|serve|main|cli|engine)[/.]")
_PAST = re.compile(r"(?:^|/)(?:legacy|deprecated|obsolete|attic|archived?)/")  # kept for those who need it still
_COPY = re.compile(r"(?:^|/)((?:test|debug|bug|old|backup|bak|copy|tmp|temp|orig)\w*/|\w+_(?:old|backup|bak|copy|orig)/)")
PAST_FACTOR = 0.6
NATIVE = ("c", "cpp", "cuda")
_SERVES = re.compile(r"(?:^|[/_.-])server(?:[/_.-]|$)")
_VERSION = re.compile(r"/v(\d+)/")
_MINOR = matcher(
    "mock|fake|dummy|stub|noop|null|test|tests|example|legacy|deprecated|compat|shim|wrapper|"
    r"wrapped|\w*bindings?|proxy|client|metric|metrics|stat|stats|logger|logging|tracing|tracer"
    "|extension|extensions|contrib|profiler|monitor|debug|debugging|experimental|error|exception|warning|doc|docs|plugin|"
    "plugins|clients|visual|ui|gui|web|cli|launch|info|event|events|message|protocol|schema|benchmark|"
    "pretty|print|dump|reference"
)


def rank(corpus: Corpus, concepts: list[Concept], bits: dict[str, list[int]]) -> dict[str, list[Scored]]:
    """The scored candidates of each concept, best first; `bits` are the clues of each concept, by their bit in the corpus.

    Concepts are judged in the order given, so that one can lean on those before it (`Concept.near`).
    """
    hopeful = {concept.key: _rough(corpus, concept, bits[concept.key]) for concept in concepts}
    models = [s for c in concepts if c.key == MODEL for s in hopeful[c.key] if s.score >= c.least]
    rough = {key: found[:FINALISTS] for key, found in hopeful.items()}
    judged = [scored.entity for found in rough.values() for scored in found]
    corpus.prefetch(place.path for entity in judged for place in (entity, *entity.parts))
    winners: dict[str, list[Scored]] = {}
    kinship = Kinship(corpus)
    for concept in concepts:
        final = _judged(corpus, concept, bits[concept.key], rough[concept.key], winners)
        kinship.weigh(concept, final)
        if concept.whole:
            kinship.raise_wholes(final)
        if concept.holds:
            kinship.raise_holders(final)
            kinship.lower_lone(concept, final)
        if concept.key == MODEL:
            kinship.raise_bases(final)
        else:
            kinship.shared_first(final, models)
        if concept.key == LOOP:
            kinship.prefer_drivers(final)
        else:
            kinship.prefer_live(final, winners.get(LOOP, ()))
        winners[concept.key] = _in_order(final)
        if concept.key == LOOP:
            for earlier in concepts[: concepts.index(concept)]:
                if earlier.inline:
                    _inline(corpus, kinship, earlier, rough[earlier.key], winners)
    return winners


def _inline(
    corpus: Corpus, kinship: Kinship, concept: Concept, rough: list[Scored], winners: dict[str, list[Scored]]
) -> None:
    """Put the main loop first, where its own body has every part of a concept and nothing bears the concept's name: there is
    no other candidate, or the best is only the type that the loop is a method of."""
    best = winners[concept.key][:1]
    for loop in (scored.entity for scored in winners[LOOP][:1]):
        if best and (best[0].entity.definition.name != loop.container or kinship.is_named(concept, best[0])):
            return
        own = [
            s
            for s in rough
            if s.entity is loop and _needs(corpus, concept, s) and _shows(corpus, concept, s)
        ]
        for scored in own:
            scored.notes.append("the main loop does it itself")
        winners[concept.key] = own + [s for s in winners[concept.key] if s not in own]


def _shows(corpus: Corpus, concept: Concept, scored: Scored) -> bool:
    """Is it the text of its body that says what it is, and not a name?"""
    tags = concept.needs[0].split("|")
    return any(corpus.clues[bit].field == "code" and corpus.clues[bit].tag in tags for bit in scored.met)


def _rough(corpus: Corpus, concept: Concept, bits: list[int]) -> list[Scored]:
    """The candidates that are worth a look at their text, by what needs none."""
    clues = corpus.clues
    mine = sum(1 << bit for bit in bits)
    telling = sum(
        1 << bit
        for bit in bits
        if clues[bit].weight > 0
        and clues[bit].field in ("name", "has", "keeps", "uses", "base", "marked", "takes")
    )
    rough = []
    for entity in corpus.entities:
        if not entity.mask & telling:
            continue
        kind = concept.kinds.get(entity.definition.kind)
        if kind is None:
            continue
        met = _bits(entity.mask & mine)
        points = _points(corpus, entity, met) * kind
        if points - DOUBTED * _warnings(corpus, met) * kind > concept.least * ROUGHLY:
            rough.append(Scored(entity, points, met))
    rough.sort(key=lambda s: -s.score * _role_factor(s.entity))
    return rough


def _judged(
    corpus: Corpus, concept: Concept, bits: list[int], rough: list[Scored], winners: dict[str, list[Scored]]
) -> list[Scored]:
    final = []
    for scored in rough:
        _refine(corpus, concept, bits, scored, winners)
        if scored.score >= concept.least and _needs(corpus, concept, scored):
            final.append(scored)
    final += _through_steps(corpus, concept, rough, final)
    if not final:
        final = _shown(corpus, concept, rough)
    _newest_first(final)
    _originals_first(corpus, final)
    _own_first(corpus, final)
    if concept.leads:
        _leaders_first(corpus, concept, final)
    return final


def _through_steps(
    corpus: Corpus, concept: Concept, rough: list[Scored], final: list[Scored]
) -> list[Scored]:
    """Methods that are good enough but for a need that another candidate of their own type meets, which they call."""
    found, done = [], {id(s) for s in final}
    for scored in rough if concept.through else ():
        entity = scored.entity
        if id(scored) in done or scored.score < concept.least or not entity.container:
            continue
        words = set(entity.definition.words) - {entity.local}
        steps = [
            s
            for s in final
            if s.entity.path == entity.path and s.entity.container == entity.container and s.entity.local in words
        ]
        if any(_needs(corpus, concept, Scored(entity, 0.0, scored.met + s.met)) for s in steps):
            found.append(scored)
    return found


def _own_first(corpus: Corpus, final: list[Scored]) -> None:
    """Where a compiled program has a thing of its own, what its scripts in Python have steps back."""
    scripts = [s for s in final if corpus.program.record(s.entity.path).language == "python"]
    if scripts and len(scripts) < len(final) and corpus.compiled:
        for scored in scripts:
            scored.score *= HELPS / max(HELPS, corpus.weight_of(scored.entity.path))


def _shown(corpus: Corpus, concept: Concept, rough: list[Scored]) -> list[Scored]:
    """Where the product has nothing of a kind, examples that are clearly it: a library leaves to its users what they show."""
    return [
        scored
        for scored in rough
        if scored.entity.role == "example"
        and scored.score >= PLAIN * concept.least * _role_factor(scored.entity)
        and _needs(corpus, concept, scored)
    ]


def _in_order(final: list[Scored]) -> list[Scored]:
    """Best first; of those that are as good, the one whose name says least: `Gemm` before `GemmAwq`."""

    def words(scored: Scored) -> int:
        return len(snake(scored.entity.local).split("_"))

    return sorted(
        final, key=lambda s: (-round(s.score, 1), words(s), -s.score, s.entity.path, s.entity.definition.line)
    )


def _leaders_first(corpus: Corpus, concept: Concept, final: list[Scored]) -> None:
    """Where a thing has its own definition, what merely does it among others steps back."""
    tags = concept.leads.split("|")
    lead = {id(s) for s in final if any(corpus.clues[bit].tag in tags for bit in s.met)}
    if any(id(s) in lead and s.score >= LEAD * max(o.score for o in final) for s in final):
        for scored in final:
            if id(scored) not in lead:
                scored.score *= LEAD


def _newest_first(final: list[Scored]) -> None:
    """Of twins that differ by a version in their path (`v2`, `v3`), the older ones step back."""
    newest: dict[tuple[str, str], int] = {}
    for scored in final:
        if found := _VERSION.search(scored.entity.path):
            twin = _VERSION.sub("/v/", scored.entity.path), scored.entity.definition.name
            newest[twin] = max(newest.get(twin, 0), int(found[1]))
    for scored in final:
        if found := _VERSION.search(scored.entity.path):
            twin = _VERSION.sub("/v/", scored.entity.path), scored.entity.definition.name
            if int(found[1]) < newest[twin]:
                scored.score -= 1.5


def _originals_first(corpus: Corpus, final: list[Scored]) -> None:
    """What stands in a copy of its own folder, made to look for a bug or to keep what was, steps back behind that folder."""
    for scored in final:
        head, *_ = scored.entity.definition.name.partition(".")
        for found in _COPY.finditer(scored.entity.path):
            path = scored.entity.path[: found.start(1)] + scored.entity.path[found.end(1) :]
            folder = path.rpartition("/")[0]
            if any(e.path.rpartition("/")[0] == folder for e in corpus.by_name[head]):
                scored.score *= PAST_FACTOR


def _bits(mask: int) -> list[int]:
    found = []
    while mask:
        low = mask & -mask
        found.append(low.bit_length() - 1)
        mask ^= low
    return found


def _points(corpus: Corpus, entity: Entity, met: list[int]) -> float:
    """Points of the clues; those of the body weigh less the larger the body, since a large one mentions everything."""
    size = entity.size
    thin = min(1.0, (120 / size) ** 0.35)
    total = 0.0
    names: list[float] = []
    for bit in met:
        clue = corpus.clues[bit]
        if clue.weight > 0 and (clue.field == "name" or (clue.field == "keeps" and clue.tag == "named")):
            names.append(clue.weight)
        else:
            total += clue.weight * (thin if clue.field in ("uses", "code") and clue.weight > 0 else 1.0)
    if names:  # several ways of saying what it is are one piece of evidence
        total += 0.75 * max(names) + 0.25 * sum(names[:3])
    return total


def _warnings(corpus: Corpus, met: list[int]) -> float:
    """The points, below zero, that a name takes away."""
    return sum(min(0.0, corpus.clues[bit].weight) for bit in met if corpus.clues[bit].field == "name")


def _refine(
    corpus: Corpus, concept: Concept, bits: list[int], scored: Scored, winners: dict[str, list[Scored]]
) -> None:
    """The evidence that needs text, the program around the candidate, or the winners of other concepts."""
    entity, definition = scored.entity, scored.entity.definition
    text = does = body(corpus, entity)
    if definition.kind in CALLABLE and not entity.local.startswith("__"):
        does = text.replace(entity.local, "_", 1)  # its own name says nothing of what it does
    # of a concept that is sooner a method, the methods of a type are candidates themselves
    whole = definition.kind not in TYPE or concept.kinds[definition.kind] >= concept.kinds.get("function", 0)
    for bit in bits:
        clue = corpus.clues[bit]
        if clue.field == "about":
            hit = definition.doc and matcher(clue.pattern).search(definition.doc.lower())
        elif clue.field == "code":
            hit = found_in(corpus, entity, clue, does) if whole else re.search(clue.pattern, does)
        else:
            continue
        if hit:
            scored.met.append(bit)
    kind = concept.kinds[definition.kind]
    points = _points(corpus, entity, scored.met)
    if any(corpus.clues[b].field == "code" and corpus.clues[b].weight >= SHOWS for b in scored.met):
        points -= DOUBTED * _warnings(corpus, scored.met)
    points *= kind
    points *= _role_factor(entity) * _ordinary(concept, entity) * corpus.weight_of(entity.path)
    points *= OTHERS_FACTOR if corpus.of_others(entity.path) else 1.0
    if "declaration" in definition.flags:
        points *= 0.7
    short = definition.end - definition.line < 2 and definition.kind in (*TYPE, *CALLABLE)
    if short and not _DOES.search(text):
        points *= 0.5  # an alias or a stub
    if definition.end - definition.line < 8 and _STUB.search(text):
        points *= 0.6  # says that others must do it
    if definition.kind == "enum" and not entity.members:
        points *= 0.0 if corpus.program.record(entity.path).language in NATIVE else 0.5  # only names things
    if _hands_out(corpus, entity):
        points *= 0.5  # only returns what its type keeps
    if entity.local == entity.container.rpartition(".")[2]:
        points *= 0.8  # a constructor in C++: the class stands for it
    if points > 0:
        points += _popularity(corpus, entity, scored) + _nearness(concept, entity, scored, winners)
    scored.score = points


def _hands_out(corpus: Corpus, entity: Entity) -> bool:
    """Is this a method that does no more than return a field of its own name?"""
    definition = entity.definition
    if definition.kind != "method" or definition.end - definition.line > 3:
        return False
    field = rf"(?<![\w.])(?:self|this|\w)(?:\.|->)_?{re.escape(entity.local)}_?(?:\.(?:clone|borrow|as_ref)\(\))?;?\s*\}}?\s*$"
    return re.search(field, body(corpus, entity)) is not None


def _role_factor(entity: Entity) -> float:
    """Less for examples, benchmarks and what is kept of the past; a server or the command itself is the product, wherever
    it stands."""
    if entity.role == "example" and _PRODUCT.search(entity.path):
        return ROLE_FACTOR["tool"]
    return ROLE_FACTOR.get(entity.role, 1.0) * (PAST_FACTOR if _PAST.search(entity.path) else 1.0)


def _ordinary(concept: Concept, entity: Entity) -> float:
    """Below 1 for special purposes and stand-ins, by the words of the name and the path, but for those asked for."""
    factor = 1.0
    for text, own in ((snake(entity.definition.name), True), (snake(entity.path), False)):
        special = {w for w in _SPECIAL.findall(text) if not _asked(concept, w)}
        minor = {w for w in _MINOR.findall(text) if not _asked(concept, w)}
        if _SERVES.search(entity.path):
            minor.discard("client")  # what a server keeps of each of its clients
        factor *= (0.75 if own else 0.85) ** min(3, len(special)) * (0.6 if own else 0.85) ** min(
            2, len(minor)
        )
    return factor


def _asked(concept: Concept, word: str) -> bool:
    return any(
        c.field in ("name", "owner") and c.weight > 0 and matcher(c.pattern).search(word)
        for c in concept.clues
    )


def _popularity(corpus: Corpus, entity: Entity, scored: Scored) -> float:
    """Up to 3 points for what much of the program uses; namesakes share the uses that no import tells apart."""
    name = entity.local
    if not name or (entity.definition.kind == "method" and name.startswith("__")):
        return 0.0
    imported = corpus.importers(entity)
    namesakes = sum(  # a type's constructors of its name are not others
        "declaration" not in e.definition.flags and e.container.rpartition(".")[2] != name
        for e in corpus.by_name[name]
    )
    used = imported + max(0, corpus.users[name] - 1) / max(1, namesakes) * 0.5
    if not entity.container and corpus.is_lone(entity.path):
        used = 0.0  # its namesakes are other libraries'
    if used >= 1:
        scored.notes.append(
            f"{math.ceil(used)} files use it" if not imported else f"{imported} files import it"
        )
    return min(3.0, 0.8 * math.log2(1 + used))


def _nearness(concept: Concept, entity: Entity, scored: Scored, winners: dict[str, list[Scored]]) -> float:
    """Points for standing in what another concept found, or beside it."""
    total = 0.0
    for key, weight in concept.near.items():
        for place, other in enumerate(winners.get(key, ())[:3]):
            share = weight * (1.0, 0.5, 0.33)[place]
            there = other.entity
            whole = there.definition.name if there.definition.kind in TYPE else there.container
            if there.path != entity.path:
                gained = (
                    share * 0.3 if there.path.rpartition("/")[0] == entity.path.rpartition("/")[0] else 0.0
                )
            elif whole and (entity.definition.name == whole or entity.container == whole):
                gained = share
                scored.notes.append(f"it belongs to {whole}, the {key.replace('_', ' ')}")
            else:
                gained = share * 0.5
            if gained:
                total += gained
                break
    return total


def _needs(corpus: Corpus, concept: Concept, scored: Scored) -> bool:
    """Are all needs met, by evidence of at least two fields?"""
    met = [corpus.clues[bit] for bit in scored.met if corpus.clues[bit].weight > 0]
    tags = {clue.tag for clue in met if clue.tag}
    return len({clue.field for clue in met}) >= 2 and all(
        any(t in tags for t in need.split("|")) for need in concept.needs
    )
