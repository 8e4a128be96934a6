# SPDX-License-Identifier: LGPL-2.1-or-later
"""Random sizes, with requests that change in between and a reboot now and then.

HVB_WALK is a list of seeds, and HVB_WALK_STEPS the number of steps for each: HVB_WALK="4 5 6" HVB_WALK_STEPS=50.
"""

import os
import random
import time

import pytest
from checks import at_rest

from hvb import GIB, MIB

# A guest with many sticks cannot go lower than this: their page descriptors stay.
LEAST = 600 * MIB
STEPS = int(os.environ.get("HVB_WALK_STEPS", "12"))


@pytest.mark.parametrize("seed", [int(seed) for seed in os.environ.get("HVB_WALK", "2").split()])
def test_walk(make_guest, seed):
    dice = random.Random(seed)
    memory, maximum = dice.choice([512, 1024, 2048]) * MIB, dice.choice([4, 6, 8]) * GIB
    guest = make_guest(f"walk{seed}", memory=memory, maximum=maximum, vcpus=dice.randint(1, 4), machine=dice.choice(["q35", "pc"]))
    for step in range(STEPS):
        for _ in range(dice.choice([0, 0, 0, 1, 3])):
            guest.setmem(dice.randint(LEAST, maximum))
            time.sleep(dice.random())
        target = dice.randint(LEAST, maximum)
        print(f"step {step}: {target} KiB of {guest.domain()}")     # shown when it fails
        guest.setmem(target)
        if dice.random() < 0.12:
            guest.reboot()
        guest.wait_at(target, 90)
        at_rest(guest)
        if dice.random() > 0.8:
            guest.touch(guest.memavailable() * 2 // 3)
    guest.remove()
