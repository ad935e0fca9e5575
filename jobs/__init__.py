"""Entry points for spark-submit and horovodrun: flags in, one JSON line out, no logic."""
