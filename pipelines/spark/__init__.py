"""The one place that starts Spark and knows its types."""
