"""Keras 3 models trained on Horovod ranks; the only room with keras and horovod."""
