"""ditpipe's nodes for ComfyUI. Link this folder into ComfyUI's custom_nodes and install ditpipe in ComfyUI's Python."""

from .ditpipe_nodes import NODE_CLASS_MAPPINGS, NODE_DISPLAY_NAME_MAPPINGS

__all__ = ["NODE_CLASS_MAPPINGS", "NODE_DISPLAY_NAME_MAPPINGS"]
