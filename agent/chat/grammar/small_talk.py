"""Messages about the conversation rather than the picture: yes, back, the second one, start over. Pure."""

import re

_NUMBERS = {
    "one": 1, "two": 2, "three": 3, "four": 4, "five": 5, "six": 6, "seven": 7, "eight": 8, "nine": 9, "ten": 10,
    "once": 1, "twice": 2, "a": 1, "first": 1, "second": 2, "third": 3, "fourth": 4, "fifth": 5, "sixth": 6,
}  # fmt: skip
_NUMBER = rf"(\d+|{'|'.join(_NUMBERS)})"
_THING = r"(?: (?:steps?|times?|pictures?|versions?|turns?|changes?))?"

VERBS = frozenset(
    "make paint color colour turn give let set remove delete erase drop take get lose add put place insert include draw move shift "
    "swap switch exchange replace change redraw try enlarge shrink grow bring push pull".split()
)

ACCEPT = re.compile(
    r"(?:(?:yes|yep|yeah|yup|sure|ok|okay|fine|good|great|perfect|nice|lovely|beautiful|wonderful|excellent|amazing|awesome|"
    r"done|thanks|thank you|love it|like it|i (?:really )?(?:like|love) (?:it|this|that)|looks (?:good|great|nice|perfect)|"
    r"that's (?:it|good|great|perfect)|this is (?:good|great|perfect)|well done|go ahead|go on|go|do it|draw it|paint it|"
    r"draw|continue|accept(?:ed)?|approved?|keep (?:it|this)|very|so|exactly|lgtm|y)[ ,!.]*)+"
)
# Rejects a waiting plan. Matched before polite words are removed: in 'no, thanks' they belong to the answer.
_NO = (
    r"(?:no(?: way)?|nope|nah|stop|abort|never ?mind|(?:don't|do not|dont)(?: draw| paint| do)?|"
    r"(?:cancel|discard|reject|drop|scrap)|i don't (?:want|like))(?: (?:it|that|this|them|the (?:plan|layout|picture)))?"
)
REFUSE = re.compile(rf"(?:please )?{_NO}(?:[ ,.!]+(?:{_NO}|please|thanks|thank you))*[ .!]*", re.I)
_BACK = (
    rf"(?:(?:please )?(?:undo|revert)(?: (?:it|that|this|the last (?:one|change)|the change))?(?: {_NUMBER}{_THING})?|"
    rf"(?:go |step |take (?:it|that|me) |and )?back(?: {_NUMBER}{_THING})?|take (?:it|that) back|as (?:it was|before)|"
    rf"(?:(?:back to )?the )?previous(?: (?:one|picture|version))?|undo the last {_NUMBER}{_THING}|back to before|"
    r"i liked (?:it better before|the (?:last|previous) one(?: better)?)|(?:it was )?better before)"
)
_FORWARD = (
    rf"(?:redo(?: (?:it|that))?|undo (?:the|that|my) undo|(?:go |step )?forwards?|undo undo|put it back)"
    rf"(?: {_NUMBER}{_THING})?"
)
_CHOICE = (
    rf"(?:(?:i )?(?:like|love|prefer|take|choose|pick|want|use|keep)\s+)?(?:the |number |no\.? |#|candidate |picture )*"
    rf"(?:{_NUMBER}|last)(?: (?:one|picture|candidate))?(?: (?:is |looks )?(?:best|better|good|the best|nicest))?"
)
_NEW = (
    r"(?:(?:let's |please )?start (?:over|again|anew|from scratch)(?: with)?|(?:a )?new (?:picture|brief|image|one)(?: of)?|new|"
    r"(?:let's |please )?(?:make|paint|draw|do) (?:a )?(?:new|different|another) (?:picture|image)(?: of)?|"
    r"forget (?:it|that|this|everything)|something (?:else|different)|(?:a )?(?:different|another) picture(?: of)?|"
    r"scrap (?:it|that|this)|from scratch)"
)
_ASKS = r"(?:what|where|who|which|how|why|when|whose|is|are|does|do|did|was|were|describe|tell me|list|show me what|explain)\b"


def brief_in(message: str) -> str | None:
    """The brief behind 'start over: …', empty if none follows; None if the message does not begin a new picture."""
    match = re.match(
        rf"\s*(?:ok(?:ay)?,? |no,? |hm+,? )?{_NEW}\s*(?P<mark>[:,.!;-]|\bwith\b|$|\s)\s*(?P<brief>.*)$",
        message,
        re.I | re.S,
    )
    if not match:
        return None
    brief = re.sub(
        r"^(?:and )?(?:now )?(?:please )?(?:paint|draw|make|show)(?: me)?\s+", "", match["brief"].strip(), flags=re.I
    )
    # 'new' and 'another picture' begin many sentences; only with a colon or 'of' are they about a picture.
    loose = re.match(r"\s*new\b(?! (?:picture|brief|image|one))", message, re.I)
    return None if loose and match["mark"] != ":" else brief


def steps_in(text: str, kind: str) -> int:
    """How many steps a message asks to go back ('undo') or forward ('redo'); 0 if it asks for no such thing."""
    match = re.fullmatch(_BACK if kind == "undo" else _FORWARD, text)
    if not match:
        return 0
    return _number(next((value for value in match.groups() if value), "1"))


def choice_in(text: str, candidates: int) -> int:
    """The number of the candidate that a message chooses, from 1; 0 if it chooses none."""
    match = re.fullmatch(_CHOICE, text)
    if not match or text in _NUMBERS and text in ("a", "one"):
        return 0
    return _number(match[1]) if match[1] else max(1, candidates)


def is_question(text: str) -> bool:
    return text.endswith("?") or re.match(_ASKS, text) is not None


def _number(word: str) -> int:
    return _NUMBERS[word] if word in _NUMBERS else min(1000, max(1, int(word)))


def plain(message: str) -> str:
    """The message in lower case, without polite words and final punctuation."""
    text = re.sub(r"\b(?:teh|hte|th)\b", "the", " ".join(message.lower().replace("’", "'").split())).strip(" .!")
    polite = (
        r"^(?:please|ok(?:ay)?|now|and|but|so|also|hm+|no|well|great|nice|actually|can you|could you|would you|will you|"
        r"i want you to|i'd like you to|i would like you to|let's|let us|maybe|just|hey|thanks|cool|good|how about|what about|"
        r"what if|(?:i want|i'd like|i would like|can|could|should|may|might) (?=(?:the|it|them|both|all|everything)\b))(?:[,:]\s*|\s+|\b(?<= ))"
    )
    text = re.sub(r"^(?:how|what) about (?=(?:a|an|some|another|two|three)\b)", "add ", text)
    while (shorter := re.sub(polite, "", text)) != text:
        text = shorter.rstrip(" ?")
    if text.split(" ")[0] in VERBS:
        text = text.rstrip(" ?")
    return re.sub(r",?\s*(?:please|thanks|thank you|instead|now|too|as well|if you can)$", "", text).strip(" ,.!")


def without_wish(message: str) -> str:
    """'a castle' of 'Please paint me a castle'."""
    wish = r"^(?:please |can you |could you )?(?:paint|draw|make|create|show|give)(?: me| us)?(?: a picture of| an image of)?\s+"
    return re.sub(wish, "", message.strip(), flags=re.I) or message
