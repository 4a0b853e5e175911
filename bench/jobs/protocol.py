"""The protocols: the ways from a dense model to a sparse one, and the properties of each.

To add a protocol, declare it here, write what it does in `bench/run/protocols.py`, and test it in
`tests/run/test_protocols.py`; studies, methods, tables and the command line then accept it.
"""

from dataclasses import dataclass
from typing import Annotated

from pydantic import AfterValidator

from bench.common.errors import unknown


@dataclass(frozen=True)
class Protocol:
    """A way from a dense model to a sparse one.

    A protocol that `trains` needs a recipe and training steps. One that is `scheduled` prunes
    several times, by a schedule of sparsities. In one that `prunes_once` the method prunes the
    dense model exactly once, which tuning and controls require. One in which the `method_trains` is
    for methods that find their mask during training, all others are for methods that prune a given
    model.
    """

    name: str
    trains: bool = True
    scheduled: bool = False
    prunes_once: bool = False
    method_trains: bool = False


PROTOCOLS = {
    protocol.name: protocol
    for protocol in (
        Protocol("one-shot", trains=False, prunes_once=True),
        Protocol("fine-tune", prunes_once=True),
        Protocol("gradual", scheduled=True),
        Protocol("sparse-training", method_trains=True),
    )
}
"""Every protocol by name."""


def _known(name: str) -> str:
    if name not in PROTOCOLS:
        raise ValueError(str(unknown("protocol", name, PROTOCOLS)))
    return name


ProtocolName = Annotated[str, AfterValidator(_known)]
"""The name of a protocol."""
