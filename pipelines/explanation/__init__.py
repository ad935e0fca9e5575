"""Say what a trained model goes by: one method a file, each with a check that it can fail.

Built on the room ``evaluation``: what is explained is what that room measures.
"""
