"""Aliases of `Any` for objects of diffusers and transformers, whose attributes are set at run time."""

from typing import Any

Pipeline = Any  # a DiffusionPipeline with the parts that its family names
Network = Any  # the denoiser, or a part of it
Layer = Any  # an attention layer
Processor = Any  # the forward of an attention layer
Scheduler = Any
Config = Any  # a FrozenDict: a mapping whose keys are attributes too
Encoder = Any  # a text encoder of transformers
Tokenizer = Any
TextStates = Any  # what a family's `text_states` returns and its `project` takes
