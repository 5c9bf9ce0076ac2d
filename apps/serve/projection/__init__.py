"""The map of an index: two coordinates per row, computed once by the server and saved with the index.

``rows`` reads the vectors of any index block by block. ``axes`` finds their principal axes. ``neighbor_map`` places
neighbors side by side if umap-learn is installed. ``made`` is a finished map and its file. ``making`` computes one map
at a time in the background. ``colors`` and ``region`` describe the points.
"""
