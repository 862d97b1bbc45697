"""What a user of python-etcd3 does, step by step, each with its results checked. The first step that does not end as it must is
named, and ends the program.

usage: main.py plain|secure   as ../members.sh calls it
"""

import faulthandler
import logging
import sys
import threading
import time
import traceback

import plain
import secure

# Longest time of one step.
STEP_TIME = 150


def main():
    logging.disable(logging.CRITICAL)
    # So a thread of the library ends when its client is closed.
    threading.excepthook = lambda ended: ended.exc_type is ValueError or threading.__excepthook__(ended)
    for name, step in {"plain": plain.STEPS, "secure": secure.STEPS}[sys.argv[1]].items():
        begun = time.monotonic()
        faulthandler.dump_traceback_later(STEP_TIME, exit=True)
        try:
            step()
        except Exception:
            traceback.print_exc()
            sys.exit(f"FAILED: {name}")
        faulthandler.cancel_dump_traceback_later()
        print(f"  ok  {name:42} {time.monotonic() - begun:6.2f} s", flush=True)


main()
