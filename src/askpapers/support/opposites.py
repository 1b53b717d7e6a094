"""Word lists: opposites, directions of change, negations, in all their inflected forms.

The lists were written for the English of paper abstracts. Signs say which way a word points
(+1 more or better, -1 less or worse); words of one axis with other signs contradict each other.
"""

from __future__ import annotations

from collections.abc import Iterator


def split_list(text: str) -> list[str]:
    """The words of a list that is written as one string."""
    return text.split()


_IRREGULAR = {
    "rise": ("rises", "rose", "rising"),
    "fall": ("falls", "fell", "falling"),
    "grow": ("grows", "grew", "growing"),
    "shrink": ("shrinks", "shrank", "shrinking"),
    "cut": ("cuts", "cut", "cutting"),
    "hurt": ("hurts", "hurt", "hurting"),
    "drop": ("drops", "dropped", "dropping"),
    "slow": ("slows", "slowed", "slowing"),
    "win": ("wins", "won", "winning"),
    "lose": ("loses", "lost", "losing"),
    "get": ("gets", "got", "getting"),
    "keep": ("keeps", "kept", "keeping"),
    "hold": ("holds", "held", "holding"),
    "show": ("shows", "showed", "showing"),
    "make": ("makes", "made", "making"),
    "give": ("gives", "gave", "giving"),
    "take": ("takes", "took", "taking"),
    "find": ("finds", "found", "finding"),
    "begin": ("begins", "began", "beginning"),
    "stop": ("stops", "stopped", "stopping"),
    "permit": ("permits", "permitted", "permitting"),
    "forbid": ("forbids", "forbade", "forbidding"),
    "omit": ("omits", "omitted", "omitting"),
    "build": ("builds", "built", "building"),
    "learn": ("learns", "learned", "learning"),
    "speed": ("speeds", "sped", "speeding"),
    "lead": ("leads", "led", "leading"),
    "run": ("runs", "ran", "running"),
    "beat": ("beats", "beat", "beating"),
    "spread": ("spreads", "spread", "spreading"),
    "overcome": ("overcomes", "overcame", "overcoming"),
    "outdo": ("outdoes", "outdid", "outdoing"),
}


def inflect(verb: str) -> tuple[str, str, str, str]:
    """Base form, third person, past and -ing form of a verb."""
    if verb in _IRREGULAR:
        return (verb, *_IRREGULAR[verb])
    if verb.endswith("e"):
        return verb, verb + "s", verb + "d", verb[:-1] + "ing"
    if verb.endswith("y") and verb[-2] not in "aeiou":
        return verb, verb[:-1] + "ies", verb[:-1] + "ied", verb + "ing"
    third = verb + ("es" if verb.endswith(("s", "x", "z", "ch", "sh")) else "s")
    return verb, third, verb + "ed", verb + "ing"


# (axis, words pointing up, words pointing down): verbs, inflected below.
_VERBS = (
    (
        "amount",
        "increase rise grow raise expand enlarge amplify elevate lengthen widen extend multiply",
        "decrease reduce drop decline shrink diminish lessen shorten cut lower fall narrow "
        "minimize save mitigate alleviate",
    ),
    (
        "quality",
        "improve enhance boost outperform surpass exceed strengthen benefit beat upgrade outdo",
        "worsen degrade hurt harm underperform impair weaken deteriorate undermine lose",
    ),
    ("speed", "accelerate speed hasten", "slow decelerate delay"),
    ("possibility", "enable allow permit facilitate promote encourage help support cause",
     "prevent prohibit forbid hinder inhibit discourage block suppress impede"),
    ("success", "succeed achieve attain reach", "fail miss"),
    ("presence", "include add contain insert keep retain preserve require need introduce",
     "exclude remove lack delete discard omit eliminate avoid ignore"),
    ("agreement", "confirm accept prove verify support demonstrate", "refute reject disprove deny"),
)  # fmt: skip
# (axis, words up, words down) that are taken as they stand.
_WORDS = (
    ("amount", "higher more larger greater longer bigger wider most highest largest longest "
     "growth gain gains upward many numerous frequent often deeper increasingly additional "
     "up multiple increases",
     "lower less smaller fewer shorter narrower least lowest smallest shortest reduction "
     "reductions downward few rare rarely seldom decreases declines savings shallower "
     "minimal down scarce"),
    ("quality", "better best superior improvement improvements advantage advantages effective "
     "successful successfully favorably competitive outstanding strong stronger robust accurate "
     "well good reliable beneficial efficient efficiently effectively state-of-the-art",
     "worse worst inferior degradation deterioration disadvantage disadvantages ineffective "
     "unsuccessful poor poorly weak weaker fragile inaccurate badly bad unreliable harmful "
     "detrimental inefficient brittle inefficiently ineffectively"),
    ("speed", "fast faster fastest quick quicker quickly rapid rapidly speedup speed-up speedups "
     "acceleration", "slow slower slowest slowly slowdown"),
    ("level", "high large long big upper maximum maximal maximize maximizes maximizing great vast "
     "wide broad", "low small short tiny minimum minimizes minimizing narrow little "
     "limited"),
    ("sign", "positive positively", "negative negatively"),
    ("order", "after following later subsequently afterwards", "before preceding earlier prior "
     "beforehand"),
    ("place", "above over exceeding", "below under beneath"),
    ("ease", "easy easier easily simple simpler simply", "hard harder difficult challenging "
     "complex complicated hardly"),
    ("presence", "with presence", "without absence lacking"),
    ("share", "all every always entire entirely fully completely", "none never partially "
     "sometimes partly"),
    ("similarity", "same similar identical similarly alike consistent", "different dissimilar "
     "distinct differently inconsistent unlike"),
    ("possibility", "possible able feasible capable", "impossible unable infeasible incapable"),
    ("relevance", "important relevant significant significantly crucial essential substantial "
     "substantially considerable considerably dramatically",
     "unimportant irrelevant insignificant negligible insignificantly slightly marginally "
     "marginal modest"),
    ("knowledge", "known seen labeled labelled supervised familiar observed",
     "unknown unseen unlabeled unlabelled unsupervised unfamiliar unobserved"),
    ("density", "dense", "sparse"), ("scope", "global", "local"), ("time", "online", "offline"),
    ("linearity", "linear linearly", "nonlinear non-linear nonlinearly"),
    ("convexity", "convex", "nonconvex non-convex"),
    ("continuity", "continuous", "discrete"), ("depth", "deep", "shallow"),
    ("noise", "noisy", "clean noiseless"), ("motion", "dynamic moving", "static fixed"),
    ("chance", "deterministic", "stochastic random randomized"),
    ("centre", "centralized centralised", "decentralized decentralised distributed"),
    ("explicitness", "explicit explicitly", "implicit implicitly"),
    ("stability", "stable stability", "unstable instability"),
    ("certainty", "certain certainty", "uncertain uncertainty"),
    ("balance", "balanced", "imbalanced unbalanced"), ("age", "new novel newer", "old older"),
    ("necessity", "necessary necessarily needed", "unnecessary unneeded needless"),
    ("symmetry", "symmetric", "asymmetric"), ("domain", "in-domain", "out-of-domain"),
    ("publicity", "public publicly open", "private privately closed"),
    ("direction", "forward", "backward reverse"), ("input", "input inputs", "output outputs"),
    ("end", "first begin starts start", "last finally ends end"),
    ("sidedness", "encoder encoding", "decoder decoding"),
    ("level2", "internal inner", "external outer"), ("number", "single", "multiple several"),
    ("homogeneity", "homogeneous", "heterogeneous"), ("labour", "manual manually",
     "automatic automatically automated"),
    ("space", "indoor", "outdoor"), ("truth", "true correct correctly", "false incorrect "
     "incorrectly wrong"),
    ("choice", "optimal", "suboptimal"), ("dependence", "dependent", "independent"),
    ("bias", "biased", "unbiased"), ("finiteness", "finite", "infinite"),
)  # fmt: skip

STRONG_AXES = frozenset({"amount", "quality", "speed", "sign", "order", "place", "level"})
"""Axes whose words are directions of change; the others are plain opposites."""


def _entries() -> Iterator[tuple[str, str, int]]:
    for axis, up, down in _VERBS:
        for sign, words in ((1, up), (-1, down)):
            for verb in words.split():
                for form in inflect(verb):
                    yield form, axis, sign
    for axis, up, down in _WORDS:
        for sign, words in ((1, up), (-1, down)):
            for word in words.split():
                yield word, axis, sign


def _directions() -> dict[str, tuple[str, int]]:
    made: dict[str, tuple[str, int]] = {}
    for word, axis, sign in _entries():
        made.setdefault(word, (axis, sign))
    return made


DIRECTIONS: dict[str, tuple[str, int]] = _directions()
"""Lower-case word -> (axis, sign); a word stands on the first axis that lists it."""

# Exchanges that turn a sentence around; verbs are inflected, others taken as they stand.
_VERB_PAIRS = """increase/decrease increase/reduce improve/degrade improve/worsen enhance/degrade
boost/hurt outperform/underperform surpass/underperform exceed/underperform rise/fall grow/shrink
raise/lower expand/narrow strengthen/weaken accelerate/slow enable/prevent allow/prevent
facilitate/hinder promote/inhibit encourage/discourage include/exclude add/remove accept/reject
confirm/refute support/undermine succeed/fail maximize/minimize maximise/minimise achieve/miss
mitigate/amplify alleviate/worsen preserve/discard retain/discard benefit/harm lengthen/shorten
require/avoid satisfy/violate simplify/complicate gain/lose eliminate/introduce
converge/diverge underestimate/overestimate generalize/overfit"""
_WORD_PAIRS = """higher/lower more/less more/fewer larger/smaller greater/smaller longer/shorter
better/worse best/worst superior/inferior faster/slower fast/slow quickly/slowly high/low
large/small long/short upper/lower maximum/minimum positive/negative positively/negatively
before/after earlier/later above/below over/under easy/difficult easier/harder simple/complex
with/without always/never same/different similar/different possible/impossible able/unable
important/unimportant significant/negligible significantly/marginally substantially/slightly
considerably/slightly known/unknown seen/unseen labeled/unlabeled supervised/unsupervised
dense/sparse global/local online/offline linear/nonlinear convex/nonconvex continuous/discrete
deep/shallow noisy/clean dynamic/static deterministic/stochastic centralized/decentralized
explicit/implicit explicitly/implicitly stable/unstable strong/weak stronger/weaker many/few
robust/fragile accurate/inaccurate effective/ineffective efficient/inefficient
effectively/ineffectively improvement/degradation improvements/degradations increase/decrease
increases/decreases reduction/increase reductions/increases gains/losses advantage/disadvantage
advantages/disadvantages single/multiple homogeneous/heterogeneous manual/automatic
manually/automatically true/false correct/incorrect correctly/incorrectly optimal/suboptimal
dependent/independent finite/infinite symmetric/asymmetric public/private forward/backward
input/output internal/external indoor/outdoor often/rarely frequently/rarely well/poorly
least/most lowest/highest smallest/largest successfully/unsuccessfully necessary/unnecessary
first/last early/late relevant/irrelevant presence/absence wide/narrow rich/poor"""


def _opposites() -> dict[str, tuple[str, ...]]:
    made: dict[str, list[str]] = {}

    def enter(one: str, other: str) -> None:
        for word, opposite in ((one, other), (other, one)):
            known = made.setdefault(word, [])
            if opposite not in known and opposite != word:
                known.append(opposite)

    for pair in _VERB_PAIRS.split():
        one, other = pair.split("/")
        for left, right in zip(inflect(one), inflect(other), strict=True):
            enter(left, right)
    for pair in _WORD_PAIRS.split():
        one, other = pair.split("/")
        enter(one, other)
    return {word: tuple(others) for word, others in made.items()}


OPPOSITES: dict[str, tuple[str, ...]] = _opposites()
"""Lower-case word -> words that turn it around, in the same inflection."""

NEGATIONS = frozenset(
    split_list(
        "not no never without cannot neither nor none nothing nobody nowhere hardly "
        "rarely barely seldom unable fails fail failed failing lack lacks lacking lacked "
        "absence impossible non neither scarcely incapable"
    )
)
"""Words that deny what follows them ("n't" is split off and read as "not")."""

SOFT_NEGATIONS = frozenset(
    split_list(
        "avoid avoids avoiding avoided eliminate eliminates eliminating eliminated "
        "prevent prevents preventing remove removes removing removed free instead rather "
        "unlike little poor poorly insufficient except ignore ignores ignoring neglect "
        "neglects unexplored understudied unclear unknown unavailable infeasible "
        "intractable bypass bypasses bypassing missing needless obviates obviating "
        "obviate zero exclude excludes excluding overlook overlooks overlooked rejects "
        "reject independent independently agnostic difficult hard disproves disproved "
        "disprove limited few beyond"
    )
)
"""Words that can carry a denial in other words; they excuse a negation in a paraphrase."""
