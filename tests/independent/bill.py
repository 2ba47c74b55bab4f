#!/usr/bin/env python3
"""Bills a demo's input files anew and compares with what Broadbill exported.

    python3 bill.py INPUT_FOLDER EXPORT_FOLDER
    python3 bill.py --self-test
"""

import sys

from compare import compare
from inputs import read_inputs
from play import Play


def main(arguments):
    if arguments == ["--self-test"]:
        from worked_amounts import self_test

        return self_test()
    if len(arguments) != 2:
        print(__doc__.strip(), file=sys.stderr)
        return 2
    return 0 if compare(Play(read_inputs(arguments[0])).run(), arguments[1]) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
