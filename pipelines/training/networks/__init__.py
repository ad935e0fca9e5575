"""Networks by name, one file a family; ``catalog`` knows them all.

Each takes the inputs of a ``FeatureSet`` by name and is made of Keras's own layers and operations,
so that it loads without a line of ours.
"""
