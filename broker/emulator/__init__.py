"""The Canvas emulator: a fake upstream, strict by default and faulty on demand.

::

    server      a loopback server for tests and for ``broker emulator``
      app         the HTTP face: Canvas's two paths, and the management path
        calls       one call: faults around the work that Canvas does
          controls    what the management path and the tests turn: knobs, faults, holds, counters
            canvas      what Canvas does with keys and tokens; no HTTP, no threads

It imports nothing from the rest of the broker, so that both are right only if they agree.
"""
