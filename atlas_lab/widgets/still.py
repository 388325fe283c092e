"""A picture beside every widget, so that a saved notebook shows something without a running kernel."""

import base64
import io

__all__ = ["Still", "png"]


class Still:
    """For widgets, as their first base: puts the PNG of `still` into the output beside the widget."""

    still = b""  # bytes of a PNG file; none, no picture

    def _repr_mimebundle_(self, **kwargs):
        bundle = super()._repr_mimebundle_(**kwargs)
        data, metadata = bundle if isinstance(bundle, tuple) else (bundle or {}, {})
        picture = {"image/png": base64.b64encode(self.still).decode()} if self.still else {}
        return {**data, **picture}, metadata


def png(picture):
    """An RGB array as the bytes of a PNG file; level 1 compresses least and fastest."""
    from PIL import Image

    buffer = io.BytesIO()
    Image.fromarray(picture).save(buffer, format="png", compress_level=1)
    return buffer.getvalue()
