"""A process beside the broker that holds its listening sockets, so that they outlive its death.

What connects while no broker runs is completed by the kernel and waits in the socket's queue; the
next broker is given the same sockets, and accepts it. This package uses the standard library alone:
the process is to be small, and shares no defect with the broker.
"""
