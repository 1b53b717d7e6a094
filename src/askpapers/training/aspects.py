"""Questions by rule about what abstracts often leave out, with a check of whether they do.

A near miss is a question on the topic of a paper whose answer is not in its abstract. Each aspect
below holds question templates and two patterns. A sentence that matches `states` gives the asked
kind of answer, so the question is labelled answerable there. An abstract that nowhere matches
`mentions` cannot hold it, so the question is labelled unanswerable. Abstracts between the two are
not used. Because every aspect is drawn about as often with each label, the wording of a question
says little about its label: the reader has to look for the answer.
"""

from __future__ import annotations

import random
import re
from collections.abc import Sequence
from dataclasses import dataclass

_NUMBER = r"\d[\d,.]*(?:\s?(?:k|K|M|B|million|billion|thousand)\b)?"
_WORD_NUMBER = r"(?:\d[\d,.]*|two|three|four|five|six|seven|eight|nine|ten|twelve|dozens? of)"
_PERCENT = r"\d[\d.]*\s?(?:\\?%|percent|points?\b|pp\b|BLEU|mAP|dB|F1)"
_TIMES = r"\d[\d.,]*\s?(?:\$?\\times\$?|×|x\b|-?fold\b|times\b|orders? of magnitude)"
_DATASETS = (
    r"\b(?:ImageNet|CIFAR|MNIST|COCO|GLUE|SuperGLUE|SQuAD|KITTI|nuScenes|WMT|Atari|MuJoCo|"
    r"Mujoco|D4RL|LibriSpeech|Cityscapes|ScanNet|MMLU|GSM8K|Penn Treebank|WikiText|VQA|MovieLens|"
    r"ShapeNet|CelebA|Kinetics|FB15k|WN18|CoNLL|OntoNotes|ACE|MultiWOZ|Visual Genome|ADE20K|"
    r"Reddit|HumanEval)"
)
_BACKBONES = (
    r"\b(?:BERT|RoBERTa|ResNet|GPT-?\d|ChatGPT|LLaMA|Llama|T5|ViT|CLIP|Mistral|Qwen|"
    r"Stable Diffusion|BART|XLNet|VGG|LSTM|U-?Net|ELMo|PaLM|SAM)\b"
)


@dataclass(frozen=True, slots=True)
class Aspect:
    """Templates with `{t}` for the topic, and the patterns described at the top."""

    name: str
    templates: tuple[str, ...]
    states: re.Pattern[str] | None
    mentions: re.Pattern[str]


@dataclass(frozen=True, slots=True)
class Asked:
    """A question by rule; `evidence` is empty when the abstract cannot answer it."""

    question: str
    evidence: tuple[int, ...]


def _aspect(
    name: str, templates: Sequence[str], states: str | None, mentions: str | None = None
) -> Aspect:
    compiled = re.compile(states, re.I) if states else None
    wide = re.compile(mentions or states or "", re.I)
    return Aspect(name, tuple(templates), compiled, wide)


ASPECTS: tuple[Aspect, ...] = (
    _aspect(
        "compute",
        ("How many GPU hours does {t} take to train?", "On how many GPUs was {t} trained?",
         "What hardware was {t} trained on?", "{t}: how many GPUs?",
         "Can {t} be trained on a single GPU?"),
        rf"(?:{_WORD_NUMBER}|single|one)\s+(?:\w+\s)?(?:GPU|TPU|V100|A100|H100)|"
        r"GPU[- ](?:hours|days)",
        r"\b(?:GPU|TPU|hardware|V100|A100|H100|CPU)",
    ),
    _aspect(
        "duration",
        ("How long does it take to train {t}?", "How many hours of training does {t} need?",
         "how long to train {t}", "Training time of {t}?"),
        rf"\b{_WORD_NUMBER}\s?(?:hours?|minutes?|days?)\b",
        r"hours?\b|minutes?\b|days?\b|training time|seconds?\b",
    ),
    _aspect(
        "parameters",
        ("How many parameters does {t} have?", "How large is the model in {t}?",
         "What is the parameter count of {t}?", "{t} model size in parameters"),
        rf"{_NUMBER}[- ]*(?:trainable |learnable |model )?param|\b\d[\d.]*\s?B\b(?!\w)",
        r"param|billion|\b\d[\d.]*[BM]\b|model size",
    ),
    _aspect(
        "speed-up",
        ("How much faster is {t} than the baseline?", "What speed-up does {t} give?",
         "By what factor does {t} speed up inference?", "How many times faster does {t} run?"),
        rf"{_TIMES}.{{0,25}}(?:fast|speed|accelerat|quick)|(?:speed-?up|faster|accelerat\w+).{{0,30}}"
        rf"(?:{_TIMES}|\d[\d.]*\s?\\?%)",
        r"faster|speed|accelerat|times\b|×|\\times|-fold",
    ),
    _aspect(
        "latency",
        ("What frame rate does {t} reach?", "How many milliseconds does inference with {t} take?",
         "What is the inference latency of {t}?", "How many seconds does {t} need per input?",
         "Does {t} run in real time?"),
        r"\b\d[\d.]*\s?(?:fps|frames per second|hz|ms|milliseconds?|seconds?)\b|real[- ]time",
        r"\bfps|frames per|latency|milliseconds?|seconds?\b|\d\s?ms\b|real[- ]time|runtime|hz\b",
    ),
    _aspect(
        "accuracy",
        ("What accuracy does {t} reach?", "How accurate is {t} in per cent?",
         "Which accuracy is reported for {t}?", "What test error does {t} reach?"),
        r"(?:accurac|error rate|precision|success rate).{0,40}\d[\d.]*\s?\\?%|"
        r"\d[\d.]*\s?\\?%\s(?:\w+\s){0,3}(?:accuracy|error|precision|success)",
        r"\d\s?\\?%|percent|accuracy of|0\.\d+",
    ),
    _aspect(
        "improvement",
        ("By how many points does {t} improve over the state of the art?",
         "By how much does {t} outperform earlier methods?", "How big is the gain of {t}?",
         "What percentage improvement does {t} bring?",
         "How many points does {t} add over the strongest baseline?"),
        rf"(?:improv|outperform|gain|increas|boost|surpass|exceed|better|higher).{{0,80}}{_PERCENT}|"
        rf"{_PERCENT}.{{0,40}}(?:improve|gain|better|higher|increase)",
        r"\d\s?\\?%|percent|\bpoints?\b|\d\.\d",
    ),
    _aspect(
        "saving",
        ("How much memory does {t} save?", "By what percentage does {t} reduce the cost?",
         "How far does {t} cut computation?", "How much smaller does {t} make the model?"),
        rf"(?:reduc|cut|sav|decreas|lower|fewer|less|smaller).{{0,60}}(?:{_PERCENT}|{_TIMES})|"
        rf"(?:{_TIMES}|{_PERCENT}).{{0,30}}(?:reduction|fewer|less|smaller|lower|saving|compress)",
        r"reduc|sav(?:e|ing)|fewer|smaller|compress|memory|cost|\d\s?\\?%",
    ),
    _aspect(
        "collection size",
        ("How many images are in {t}?", "How many examples does the data of {t} contain?",
         "How large is the dataset in {t}?", "How many questions does {t} contain?",
         "How many annotated samples were collected for {t}?", "size of the {t} dataset"),
        rf"{_NUMBER}\+?\s(?:\w+\s|\w+-\w+\s){{0,2}}(?:images|videos|samples|examples|questions|"
        r"sentences|documents|pairs|annotations|instances|dialogues|conversations|clips|tweets|"
        r"articles|utterances|hours of|scenes|trajectories|episodes|problems|queries)\b",
        r"\d{2,}|thousand|million|hundreds",
    ),
    _aspect(
        "languages",
        ("How many languages does {t} cover?", "Which languages was {t} tested on?",
         "In how many languages does {t} work?"),
        rf"\b{_WORD_NUMBER}\s(?:\w+\s){{0,2}}languages\b|\b(?:English|German|Chinese|French|Arabic|"
        r"Hindi|Japanese|Russian|Spanish)\b",
        r"language|lingual|English|German|Chinese|French|Arabic|Hindi|Japanese|Spanish",
    ),
    _aspect(
        "people",
        ("How many participants took part in the user study of {t}?",
         "How many annotators labelled the data for {t}?", "How many people tried {t}?",
         "How many patients were in the study of {t}?"),
        rf"\b{_WORD_NUMBER}\s(?:\w+\s){{0,2}}(?:participants|users|subjects|annotators|workers|raters|"
        r"patients|people|students|experts|volunteers)\b",
        r"participant|users?\b|subjects?\b|annotat|worker|rater|patient|people|student|human|expert",
    ),
    _aspect(
        "licence",
        ("Under which licence is {t} released?", "What licence does {t} have?"),
        r"\blicen[cs]e",
    ),
    _aspect(
        "code",
        ("Where can I find the code of {t}?", "Is the code of {t} public?",
         "{t} code repository", "Is the implementation of {t} open source?"),
        r"(?:code|implementation|models?|data(?:set)?|toolkit|library).{0,80}"
        r"(?:available|released?|publicly|open-?source|http|github)|open-?sourc",
        r"github|http|available|open-?source|releas|\bcode\b",
    ),
    _aspect(
        "optimizer",
        ("Which optimizer trains {t}?", "Is {t} trained with Adam or SGD?",
         "what optimizer did {t} use"),
        r"\b(?:AdamW?|SGD|RMSProp|stochastic gradient descent|Adagrad|L-BFGS)\b",
        r"\bAdam|SGD|gradient|optimi[sz]er|RMSProp",
    ),
    _aspect(
        "recipe",
        ("What batch size and learning rate were used for {t}?",
         "Which learning rate works best for {t}?", "With what batch size was {t} trained?",
         "How many epochs does {t} need?", "What dropout rate does {t} use?"),
        r"batch size of \d|learning rate of \d|\d+ epochs|dropout rate of \d",
        r"batch|learning rate|epoch|dropout|step size",
    ),
    _aspect(
        "guarantee",
        ("What regret bound is proved for {t}?", "Which sample complexity does {t} have?",
         "What convergence rate is shown for {t}?", "What is the running time of {t}?",
         "Which approximation ratio does {t} guarantee?"),
        r"(?:regret|complexity|rate|ratio|bound|time|error).{0,60}"
        r"(?:O\(|O\s?\\|\\tilde|\\mathcal|Omega|\\log|1/|\\sqrt)|"
        r"(?:O\(|\\mathcal\{O\}|\\tilde).{0,60}(?:regret|complexity|rate|bound|time)",
        r"regret|complexity|convergence|bound|O\(|approximation|guarantee|ratio|polynomial|time",
    ),
    _aspect(
        "benchmarks",
        ("Which datasets was {t} evaluated on?", "On which benchmarks was {t} tested?",
         "what data was {t} tested on", "What result does {t} have on ImageNet?"),
        _DATASETS,
        _DATASETS + r"|dataset|benchmark|corpus|corpora",
    ),
    _aspect(
        "backbone",
        ("Which pretrained model does {t} build on?", "What backbone does {t} use?",
         "Which language model is behind {t}?"),
        _BACKBONES,
        _BACKBONES + r"|pre-?trained|backbone|transformer|language model|LLM",
    ),
    _aspect(
        "machine",
        ("On which robot was {t} tested?", "Was {t} tried on a real robot?",
         "What robot hardware was used for {t}?"),
        r"\b(?:Franka|UR5|ANYmal|quadruped|Baxter|PR2|quadrotor|drone|humanoid|Unitree|Spot|KUKA|"
        r"real(?:-world)? robot|physical robot|TurtleBot|manipulator)",
        r"robot|drone|quad|humanoid|vehicle|hardware|manipulat|real[- ]world",
    ),
    _aspect(
        "energy",
        ("How much energy does {t} consume?", "How many watts does {t} draw?",
         "What is the carbon footprint of {t}?"),
        r"energy (?:consum|effic|saving|cost)|\bwatts?\b|joules?|carbon|CO2",
        r"energy|power|watt|joule|carbon|CO2",
    ),
    _aspect(
        "money",
        ("How much does {t} cost in dollars?", "What did it cost to annotate the data of {t}?",
         "What does one query to {t} cost?"),
        r"\\?\$\s?\d[\d.,]*(?!\S*\$)|\bUSD\b|dollars?\b|\bcents\b",
        r"dollar|USD|cents|\$|price|cost|budget|cheap",
    ),
    _aspect(
        "context length",
        ("What context length does {t} handle?", "How many tokens can {t} read at once?"),
        r"\b\d[\d,.]*\s?[kKM]?[- ]tokens?\b|context (?:length|window|size)s? (?:of|up to|to) \d",
        r"token|context|length|long",
    ),
    *(
        _aspect(
            f"{metric} score",
            (f"What {metric} does {{t}} reach?", f"Which {metric} score is reported for {{t}}?",
             f"{metric} of {{t}}?"),
            rf"\b{metric}\b.{{0,30}}\d|\d\s?{metric}\b",
            rf"\b{metric}\b",
        )
        for metric in ("BLEU", "FID", "F1", "mAP", "AUC", "AUROC", "mIoU", "WER", "PSNR", "ROUGE")
    ),
    _aspect(
        "limits",
        ("What limitations do the authors of {t} name?", "When does {t} fail?",
         "In which cases does {t} not work?"),
        r"(?:our|the) (?:\w+ )?limitations?|fails? (?:to|when|on|in)|limited to|cannot",
        r"limit|fail|cannot|drawback|however|struggl|unable|not ",
    ),
    _aspect(
        "deployment",
        ("Is {t} used in production?", "Which company has deployed {t}?",
         "What did the online A/B test of {t} show?"),
        r"deployed|in production|A/B test|online experiments|launched",
        r"deploy|production|A/B|online|industr|launch|commercial|compan",
    ),
    _aspect(
        "agreement",
        ("What was the inter-annotator agreement for {t}?", "How well do the raters of {t} agree?"),
        r"(?:inter-?annotator|inter-?rater) agreement|kappa",
        r"agreement|kappa|annotat|rater",
    ),
    _aspect(
        "sensitivity",
        ("How sensitive is {t} to its hyperparameters?",
         "How does {t} react to noisy labels?", "Which hyperparameter of {t} matters most?"),
        r"sensitiv\w+ to|insensitive|robust (?:to|against)|hyper-?parameters?",
        r"sensitiv|robust|hyper-?param|noise|noisy|stable|tuning",
    ),
    _aspect(
        "funding",
        ("Who funded the work on {t}?", "Which laboratory built {t}?",
         "Who are the authors of {t}?", "When was {t} first published?"),
        None,
        r"fund|grant|sponsor|laborator|authors?\b|university|\b(?:19|20)\d\d\b",
    ),
    _aspect(
        "ablation",
        ("Which component of {t} contributes most in the ablation?",
         "What happens to {t} without its main component?"),
        r"ablation",
        r"ablat|component|without|module|contribut",
    ),
    _aspect(
        "depth",
        ("How many layers does {t} have?", "How many attention heads does {t} use?",
         "What embedding dimension does {t} use?"),
        r"\b\d+[- ]?layers?\b|\bResNet-?\d+|\d+ (?:attention )?heads|\d+[- ]dimensional",
        r"layer|depth|deep|heads?\b|dimension",
    ),
    _aspect(
        "proposal",
        ("What is {t}?", "What does {t} propose?", "what is the idea of {t}", "How does {t} work?",
         "{t}"),
        r"\bwe (?:\w+ )?(?:propose|present|introduce|develop|describe|study|investigate|show)\b|"
        r"this (?:paper|work) (?:proposes|presents|introduces|develops)",
    ),
    _aspect(
        "problem",
        ("What problem does {t} solve?", "Why was {t} needed?", "What is wrong with the methods "
         "before {t}?"),
        r"^(?:However|Yet|Unfortunately|Despite)\b|suffers? from|remains? (?:a |an )?(?:\w+ )?"
        r"(?:challeng|open|difficult)",
    ),
)  # fmt: skip

_NAMED = re.compile(r"^([A-Z][\w.+@-]*(?:\s[A-Z0-9][\w.+-]*)?)\s?[:–—]\s")
_DEFINED = re.compile(r"\(([A-Z][A-Za-z-]*[A-Z][A-Za-z0-9-]*)\)")
_FOR = re.compile(r"\s(?:via|with|using|by|through|from|under)\s", re.I)


def find_topic(title: str, sentences: Sequence[str], rng: random.Random) -> str:
    """Return how a question names the paper: its method's name, or words of its title."""
    named = _NAMED.match(title)
    if named:
        return named.group(1)
    defined = _DEFINED.findall(" ".join(sentences))
    if defined and rng.random() < 0.5:
        return str(defined[0])
    short = title.rstrip(" .?!").split(": ")[-1]
    if rng.random() < 0.4:
        short = _FOR.split(short)[0]
    if rng.random() < 0.5:
        short = " ".join(w.lower() if w.istitle() else w for w in short.split())
    return short


def ask_by_rule(
    title: str, sentences: Sequence[str], rng: random.Random, *, answerable: bool
) -> Asked | None:
    """Return a question about the paper with the wanted label, or None when no aspect gives one."""
    text = " ".join([title, *sentences])
    fitting: list[tuple[Aspect, tuple[int, ...]]] = []
    for aspect in ASPECTS:
        if answerable:
            if aspect.states is None:
                continue
            found = tuple(i for i, s in enumerate(sentences) if aspect.states.search(s))
            if 0 < len(found) <= 2:
                fitting.append((aspect, found))
        elif not aspect.mentions.search(text):
            fitting.append((aspect, ()))
    if not fitting:
        return None
    common = {"proposal", "problem", "code"}  # nearly every abstract states these
    rare = [f for f in fitting if f[0].name not in common]
    if rare and rng.random() < 0.9:
        fitting = rare
    if not answerable and rng.random() < 0.6:  # ten metrics would drown the other aspects
        fitting = [f for f in fitting if not f[0].name.endswith(" score")] or fitting
    aspect, evidence = rng.choice(fitting)
    question = rng.choice(aspect.templates).format(t=find_topic(title, sentences, rng))
    return Asked(question[:1].upper() + question[1:], evidence)
