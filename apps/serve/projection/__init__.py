"""The map of a collection: two numbers per row, made once by the server and kept with the index.

``rows`` reads the vectors of any index block by block, ``axes`` finds their principal axes, ``neighbor_map`` lays
neighbors out beside each other where umap-learn is installed, ``made`` is a finished map and its file, ``making`` runs
one at a time in the background, ``colors`` and ``region`` say what its points show.
"""
