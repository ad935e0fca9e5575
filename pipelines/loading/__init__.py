"""From one pinned Delta version to tf.data batches; the only room with petastorm."""
