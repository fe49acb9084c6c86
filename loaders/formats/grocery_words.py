"""Turn a grocer's shelf labels ("SALD DRSNG/SNDWCH SPRD") into words that a shopper reads."""

from __future__ import annotations

import re
from functools import cache

WORDS = {
    "addi": "additives", "asceptic": "aseptic", "bev": "beverage", "bg": "bag", "bkd": "baked",
    "bkngwares": "bakeware", "bn": "bean", "bndges": "bandages", "brd": "breaded", "brkfst": "breakfast",
    "brst": "breast", "btl": "bottle", "btr": "butter", "bx": "box", "carb": "carbonated", "catfd": "cat food",
    "cheez": "cheese", "chick": "chicken", "chix": "chicken", "choc": "chocolate", "choccolate": "chocolate",
    "chococlate": "chocolate", "chocol": "chocolate", "chocola": "chocolate", "chs": "cheese", "ckys": "cookies",
    "cleang": "cleaning", "clot": "cloth", "cnd": "canned", "cndles": "candles", "cndy": "candy",
    "cntrl": "control", "conc": "concentrate", "cookng": "cooking", "crbntd": "carbonated", "crkr": "cracker",
    "crmd": "creamed", "deod": "deodorant", "dipilatories": "depilatories", "disposible": "disposable",
    "dl": "deli", "dnr": "dinner", "dnrs": "dinners", "dogfd": "dog food", "dps": "dips", "drg": "drug",
    "drnk": "drink", "drnking": "drinking", "drnkng": "drinking", "drnks": "drinks", "drp": "drops",
    "drsng": "dressing", "dvds": "DVDs", "dsh": "dish", "elstc": "elastic", "et": "etc", "excp": "except", "fd": "food",
    "fds": "foods", "fem": "feminine", "flv": "flavour", "flvr": "flavour", "flvrd": "flavoured",
    "frd": "fried", "frz": "frozen", "frzn": "frozen", "gds": "goods", "gm": "general merchandise",
    "grnd": "ground", "hygn": "hygiene", "incl": "including", "jce": "juice", "lnchmt": "lunch meat",
    "lozng": "lozenges", "lss": "less", "ltr": "litre", "mfg": "manufacturer", "misc": "miscellaneous",
    "mixs": "mixes", "mlk": "milk", "mlt": "malt", "mneral": "mineral", "mnrl": "mineral", "mx": "mix",
    "mxs": "mixes", "occas": "occasion", "othe": "other", "pk": "pack", "pkg": "packaged", "pkgd": "packaged",
    "pkld": "pickled", "plstc": "plastic", "pnch": "punch", "pnt": "peanut", "prem": "premium",
    "preportnd": "pre-portioned", "prpck": "prepacked", "pwdr": "powder", "pwdrs": "powders",
    "refrgratd": "refrigerated", "refrig": "refrigerated", "sald": "salad", "saucessalsapicantee": "sauces, salsa",
    "sft": "soft", "sgl": "single", "sherbts": "sherbets", "shlfsh": "shellfish", "slc": "sliced",
    "sndwch": "sandwich", "sngl": "single", "snks": "snacks", "sply": "supplies", "sprd": "spreads",
    "srv": "serve", "ss": "single serve", "stk": "stick", "suppplies": "supplies", "suprt": "support",
    "swt": "sweet", "syrp": "syrup", "thn": "thin", "tiss": "tissue", "trsh": "trash", "veg": "vegetable",
    "vegi": "vegetable", "whl": "whole", "whlsm": "wholesome", "wt": "weight", "wtr": "water",
    "xpctrnt": "expectorant",
}  # fmt: skip
KEPT = {"BBQ", "CD", "DVD", "IQF", "NFL", "OJ", "SPF", "TV", "VHS"}
UNITS = {
    "CT": "count",
    "PK": "pack",
    "OZ": "oz",
    "LB": "lb",
    "LBS": "lb",
    "ML": "ml",
    "GAL": "gal",
    "SQ": "sq",
}

_WORD = re.compile(r"[A-Za-z][A-Za-z']*")


@cache
def readable(label: str) -> str:
    """Give a label in title case: known abbreviations spelled out, a parenthesis that was cut off left away.

    "FRZN MEAT/MEAT DINNERS" becomes "Frozen Meat / Meat Dinners".
    """
    text = re.sub(r"\([^)]*$", "", label).replace("DVD S", "DVDS")
    text = re.sub(r"(?<=[A-Za-z])\.(?=\s|[A-Za-z])|(?<=\d)(?=PK)", " ", text)
    text = _WORD.sub(lambda match: _spell(match[0]), text)
    text = re.sub(r"\s*([/&])\s*", r" \1 ", text)
    text = re.sub(r"\s*:\s*", ": ", text)
    return re.sub(r"\s+", " ", text).strip(" -/:&,")


@cache
def readable_size(size: str) -> str:
    """Give a package size in small letters: "6 PK/4 OZ" becomes "6 pack / 4 oz"."""
    text = re.sub(r"[A-Za-z]+", lambda match: UNITS.get(match[0].upper(), match[0].lower()), size)
    return re.sub(r"\s+", " ", re.sub(r"\s*/\s*(?=\d+(\.\d+)? [a-z])", " / ", text)).strip()


def _spell(word: str) -> str:
    if word.upper() in KEPT:
        return word.upper()
    return " ".join(part[:1].upper() + part[1:] for part in WORDS.get(word.lower(), word.lower()).split(" "))
