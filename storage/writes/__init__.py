"""What the store's transactions write, a file per kind of thing, as ``history`` asks for it.

Every function takes the store's own connection and is called within a transaction; it begins and ends none.
"""
