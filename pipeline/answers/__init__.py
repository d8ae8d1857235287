"""What a person may ask of a data folder, a file per kind of question. Nothing here writes.

Every function takes a shelf; ``views.Views`` makes methods of them.
"""
