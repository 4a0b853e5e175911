"""The chart library of the page: Vega-Lite as one script, from the package vl-convert-python."""

from importlib.metadata import version

import vl_convert

from bench.common.files import replacing
from bench.common.folders import data_folder

VEGA_LITE = "6.4"
_EXPORT = "window.vegaEmbed = vegaEmbed;"


def chart_library() -> str:
    """Vega, Vega-Lite and vega-embed as JavaScript that sets `window.vegaEmbed`.

    Joining them takes seconds, so the result is kept in the cache folder where that can be written.
    """
    kept = data_folder() / "scripts" / f"vega-{version('vl-convert-python')}-{VEGA_LITE}.js"
    try:
        return kept.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        script = str(vl_convert.javascript_bundle(_EXPORT, VEGA_LITE))
    try:
        kept.parent.mkdir(parents=True, exist_ok=True)
        with replacing(kept) as file:
            file.write(script.encode())
    except OSError:
        pass
    return script
