"""What a person or a program may ask to be done, a file per kind of thing it is done to.

A verb is a function of a desk: it checks, then makes one transaction of the store; who waits for it is woken and alerts
go out after the commit. ``service.Service`` makes methods of them.
"""
