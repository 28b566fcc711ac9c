"""Large open-weights world models and their decoders behind the same ``Dynamics`` interface.

Nothing here is loaded with ``import gwm_core``, and no weights are part of the package: a user's
own downloaded files are read by their published names and shapes.
"""
