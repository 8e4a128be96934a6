# SPDX-License-Identifier: LGPL-2.1-or-later
"""The hv-balloon of QEMU as Debian has it, without our patches."""
import os
import pathlib
import time

import guests
from guests import GIB
from speed import patient

QUIET = 55                  # seconds: for 50 s after the driver has connected the device asks for nothing
PROTOCOL = "dmesg | grep -q 'hv_balloon: Using Dynamic Memory protocol'"


def program():
    return pathlib.Path(os.environ["HVB_STOCK_QEMU"]) / "qemu-system-x86_64"


class StockHvBalloon(guests.Balloon):
    """It adds memory from one backend, which is given when it starts, and has to be aligned to 32 GiB."""

    name, most = "stock hv-balloon", 70 * GIB

    def emulator(self):
        return program()

    def devices(self):
        return ["-object", f"memory-backend-ram,id=m0,size={self.setting.more}", "-device", "vmbus-bridge", "-device", "hv-balloon,id=b0,memdev=m0"]

    def ready(self):
        self.exec(f"until {PROTOCOL}; do sleep 0.1; done", patient(guests.DRIVER_LIMIT))
        time.sleep(QUIET)

    def more(self):
        return self.balloon(self.setting.boot + self.setting.more, self.setting.more)
