# SPDX-License-Identifier: LGPL-2.1-or-later
"""Other sizes, machines and numbers of vCPUs."""

import pytest
from checks import at_rest, go

from hvb import GIB, MIB


@pytest.mark.parametrize("name,memory,maximum,vcpus,machine,targets", [
    ("small", 512 * MIB, 2 * GIB, 1, "pc", [1536 * MIB, 400 * MIB, 600 * MIB]),
    ("small-q35", 512 * MIB, 6 * GIB, 4, "q35", [6 * GIB, 512 * MIB, 3000 * MIB]),
    ("large", 6 * GIB, 7 * GIB, 4, "pc", [2 * GIB, 7 * GIB, 5 * GIB]),
    ("shrink-only", GIB, GIB, 2, "q35", [600 * MIB, GIB, 700 * MIB]),
    ("one-vcpu", 2 * GIB, 4 * GIB, 1, "q35", [4 * GIB, GIB]),
])
def test_shape(make_guest, name, memory, maximum, vcpus, machine, targets):
    guest = make_guest(name, memory=memory, maximum=maximum, vcpus=vcpus, machine=machine)
    assert int(guest.exec("nproc")) == vcpus
    at_rest(guest)
    for target in targets:
        go(guest, target)
    guest.reboot()
    guest.wait_at(targets[-1])
    at_rest(guest)
    guest.remove()
