"""The pruning methods: their registry, and how one is built from the fields that a study names.

What comes in: a method's name and field values from a study, then a `Problem` with a dense model,
metered data and a target sparsity. What goes out: the pruned weights, whose exact zeros are the
mask; methods that train act on a `Training` instead.

To add a method, touch these files: methods/NAME.py, which defines a subclass of `Method`;
methods/__init__.py, which imports it and names it in `METHODS`; and tests/methods.
"""

from collections.abc import Mapping
from dataclasses import asdict, fields
from typing import Any, get_type_hints

from pydantic import TypeAdapter, ValidationError

from bench.common.errors import UserError, unknown
from methods.cbs import CBS
from methods.chita import CHITA, CHITAPlusPlus
from methods.ekfac import EKFAC
from methods.gmp import GMP
from methods.kfac import KFAC
from methods.lobs import LOBS
from methods.magnitude import Magnitude
from methods.method import Method
from methods.obc import OBC
from methods.obd import OBD
from methods.random import Random
from methods.rigl import RigL
from methods.scratch import Scratch
from methods.set import SET
from methods.str import STR
from methods.woodfisher import WoodFisher
from methods.woodtaylor import WoodTaylor

METHODS: dict[str, type[Method]] = {
    "random": Random,
    "magnitude": Magnitude,
    "obd": OBD,
    "l-obs": LOBS,
    "kfac": KFAC,
    "ekfac": EKFAC,
    "woodfisher": WoodFisher,
    "woodtaylor": WoodTaylor,
    "obc": OBC,
    "cbs": CBS,
    "chita": CHITA,
    "chita++": CHITAPlusPlus,
    "str": STR,
    "gmp": GMP,
    "rigl": RigL,
    "set": SET,
    "scratch": Scratch,
}
"""Every method by name. The order is that of the rows in tables."""


def build(name: str, values: Mapping[str, Any]) -> Method:
    """Return the method `name` with these field values and defaults for the others.

    Raises `UserError` for an unknown name or field, and for values of a wrong type or range.
    """
    if name not in METHODS:
        raise unknown("method", name, METHODS)
    method = METHODS[name]
    known = [field.name for field in fields(method)]
    for field in values:
        if field not in known:
            raise unknown(f"field of method {name!r}", field, known or ["(it has none)"])
    types = get_type_hints(method, include_extras=True)
    fitting, wrong = {}, []
    for field, value in values.items():
        try:
            fitting[field] = TypeAdapter(types[field]).validate_python(value, strict=True)
        except ValidationError as error:
            wrong += [f"{field}: {item['msg']}, not {value!r}" for item in error.errors()]
    try:
        if not wrong:
            return method(**fitting)
    except ValueError as error:
        wrong = [f"{error}"]  # an f-string, since `str` is a module of this package
    raise UserError(f"Method {name!r} can't have these fields: {'; '.join(wrong)}.")


def configuration(method: Method) -> dict[str, Any]:
    """Return every field of the method with its value, defaults included."""
    return asdict(method)
